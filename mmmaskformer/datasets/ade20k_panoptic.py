"""ADE20K with panoptic ground truth, and with its own label maps beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.datasets import ADE20KPanopticDataset
from mmengine import fileio

from mmmaskformer.datasets.folders import is_remote, require_folder
from mmmaskformer.datasets.panoptic import CheckedPanopticDataset
from mmmaskformer.datasets.panoptic_loading import VOID_LABEL
from mmmaskformer.errors import UserError
from mmmaskformer.registry import DATASETS, TRANSFORMS

# Where the 100 things stand among ADE20K's 150 classes (SceneParse150; its instance challenge names them). mmdet lists
# them first and the 50 others behind, both in rising order.
THINGS = (
    7, 8, 10, 12, 14, 15, 18, 19, 20, 22, 23, 24, 27, 30, 31, 32, 33, 35, 36, 37, 38, 39, 41, 42, 43, 44, 45, 47, 49,
    50, 53, 55, 56, 57, 58, 62, 64, 65, 66, 67, 69, 70, 71, 72, 73, 74, 75, 76, 78, 80, 81, 82, 83, 85, 86, 87, 88, 89,
    90, 92, 93, 95, 97, 98, 102, 103, 104, 107, 108, 110, 111, 112, 115, 116, 118, 119, 120, 121, 123, 124, 125, 126,
    127, 129, 130, 132, 133, 134, 135, 136, 137, 138, 139, 142, 143, 144, 146, 147, 148, 149,
)  # fmt: skip
CLASSES = 150
PANOPTIC_ORDER = (*THINGS, *(label for label in range(CLASSES) if label not in THINGS))


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
        self.label_of = np.full(CLASSES + 1, VOID_LABEL, np.int32)
        self.label_of[np.array(PANOPTIC_ORDER) + 1] = np.arange(CLASSES)

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
        if stored.shape != tuple(results["ori_shape"][:2]):
            raise UserError(
                f"{path} is {stored.shape} but image {results.get('img_path')} is {tuple(results['ori_shape'][:2])}"
            )
        if stored.max() > CLASSES:
            raise UserError(f"{path}: label {stored.max()}; expected 1..{CLASSES} for classes and 0 for void")
        results["gt_seg_map"] = self.label_of[stored]
        return results
