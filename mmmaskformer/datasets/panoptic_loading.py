"""Panoptic ground truth in an mmdet pipeline."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import get_box_type
from mmdet.structures.mask import BitmapMasks

from mmmaskformer.coco.annotations import read_ids
from mmmaskformer.det.panoptic_code import true_segments
from mmmaskformer.pairs import check_same_size
from mmmaskformer.registry import TRANSFORMS

VOID_LABEL = 255


@TRANSFORMS.register_module()
class LoadPanopticAnnotations(BaseTransform):
    """mmdet's transform of this name without panopticapi, and with json and PNG checked against each other.

    Fills ``gt_bboxes``, ``gt_bboxes_labels``, ``gt_ignore_flags`` and ``gt_masks`` of the things and ``gt_seg_map``,
    the class of every pixel with ``void_label`` for void. A crowd of things is no instance but keeps its class in
    ``gt_seg_map``, as with mmdet: panoptic training takes stuff alone from that map, so that crowds are no target
    there, as in the reference release, while semantic training and mIoU see what they show. Boxes are those of the
    masks; a right json has the same.

    Reads ``seg_map_path`` and ``segments_info`` as mmdet's panoptic data sets give them; a sample without a PNG, for
    instance a test image, is left as it is. Run it before the image is resized in training, anywhere in testing.

    Args:
        with_bbox, with_label, with_mask, with_seg: which of these to fill in.
        box_type: mmdet's type of boxes.
        backend_args: MMEngine's storage backend of the PNGs.
        void_label: label of void pixels in ``gt_seg_map``; the head's ``ignore_index``.
    """

    def __init__(
        self,
        with_bbox: bool = True,
        with_label: bool = True,
        with_mask: bool = True,
        with_seg: bool = True,
        box_type: str = "hbox",
        backend_args: Mapping | None = None,
        void_label: int = VOID_LABEL,
    ) -> None:
        self.with_bbox = with_bbox
        self.with_label = with_label
        self.with_mask = with_mask
        self.with_seg = with_seg
        self.box_type = box_type
        self.backend_args = backend_args
        self.void_label = void_label

    def transform(self, results: dict) -> dict:
        """Add the ground truth.

        Raises:
            UserError: the PNG is missing, cannot be decoded, has another size than the image, or has other segments
                than the json.
        """
        path = results.get("seg_map_path")
        if path is None:
            return results
        found = true_segments(read_ids(path, self.backend_args), results["segments_info"], name=path)
        height, width = results["ori_shape"][:2]
        check_same_size(path, found.shape, str(results.get("img_path")), (height, width))
        things = found.things()
        masks = BitmapMasks(things.masks.view(np.uint8), height, width)
        if self.with_bbox:
            results["gt_bboxes"] = get_box_type(self.box_type)[1](things.boxes)
            results["gt_ignore_flags"] = np.zeros(len(things), bool)
        if self.with_label:
            results["gt_bboxes_labels"] = things.labels
        if self.with_mask:
            results["gt_masks"] = masks
        if self.with_seg:
            # int32, as labels beyond 255 may exist and OpenCV, which will resize the map, has no int64.
            results["gt_seg_map"] = found.label_map(self.void_label)
        return results

    def __repr__(self) -> str:
        names = ("with_bbox", "with_label", "with_mask", "with_seg", "box_type", "void_label")
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"
