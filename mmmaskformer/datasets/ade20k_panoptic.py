"""ADE20K with panoptic ground truth, and with its own label maps beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.datasets import ADE20KPanopticDataset
from mmengine import fileio

from mmmaskformer.datasets.checked_panoptic import CheckedPanopticDataset
from mmmaskformer.datasets.missing_files import require_folder
from mmmaskformer.datasets.panoptic_loading import VOID_LABEL
from mmmaskformer.errors import UserError
from mmmaskformer.files import is_remote
from mmmaskformer.labels import ADE20K_CLASSES, ADE20K_THINGS_FIRST
from mmmaskformer.pairs import check_loaded_label_map
from mmmaskformer.registry import DATASETS, TRANSFORMS


@DATASETS.register_module()
class CheckedADE20KPanopticDataset(CheckedPanopticDataset):
    """ADE20K's 100 things and 50 stuff classes, as mmdet's ``tools/dataset_converters/ade20k2coco.py`` writes them.

    Args:
        **kwargs: as for :class:`CheckedPanopticDataset`; ``data_prefix`` may have ``sem`` as well, the folder of
            ADE20K's own label maps, for :class:`LoadADE20KLabelMap`.
    """

    METAINFO = ADE20KPanopticDataset.METAINFO
    HINT = "; make it with mmdet's tools/dataset_converters/ade20k2coco.py FOLDER --task panoptic"

    def load_data_list(self) -> list[dict]:
        """List images with their segments and, where asked for, label maps."""
        samples = super().load_data_list()
        folder = self.data_prefix.get("sem")
        if folder:
            if not is_remote(self.backend_args):
                require_folder(type(self).__name__, folder)
            for sample in samples:
                name = os.path.splitext(os.path.basename(sample["img_path"]))[0]
                sample["label_map_path"] = os.path.join(folder, f"{name}.png")
        return samples


@TRANSFORMS.register_module()
class LoadADE20KLabelMap(BaseTransform):
    """ADE20K's own label map as ``gt_seg_map``, in mmdet's order of classes: what the release takes mIoU on.

    The map that panoptic ground truth implies is void where a thing's pixel belongs to no instance; this one is not.

    Args:
        backend_args: MMEngine's storage backend of the files.
    """

    def __init__(self, backend_args: Mapping | None = None) -> None:
        self.backend_args = backend_args
        # On disk 0 is "other" and class k is k + 1.
        self.label_of = np.full(ADE20K_CLASSES + 1, VOID_LABEL, np.int32)
        self.label_of[np.array(ADE20K_THINGS_FIRST) + 1] = np.arange(ADE20K_CLASSES)

    def transform(self, results: dict) -> dict:
        """Put the map in the place of any other.

        Raises:
            UserError: the sample names no file, or it is missing, cannot be decoded or holds something else.
        """
        path = results.get("label_map_path")
        if path is None:
            raise UserError(f"{results.get('img_path')}: no label map; give the data set data_prefix=dict(sem=FOLDER)")
        try:
            content = fileio.get(path, backend_args=self.backend_args)
        except FileNotFoundError as error:
            raise UserError(f"label map {path} does not exist") from error
        try:
            stored = mmcv.imfrombytes(content, flag="unchanged", backend="pillow")
        except OSError as error:
            raise UserError(f"the label map {path} cannot be decoded; is the file whole?") from error
        check_loaded_label_map(path, stored.shape, str(results.get("img_path")), results["ori_shape"])
        if stored.max() > ADE20K_CLASSES:
            raise UserError(f"{path}: label {stored.max()}; expected 1..{ADE20K_CLASSES} for classes and 0 for void")
        results["gt_seg_map"] = self.label_of[stored]
        return results
