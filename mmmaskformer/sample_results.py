"""What data samples of mmseg and mmdet say, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.structures import PixelData
from numpy import ndarray
from torch import Tensor

from mmmaskformer.segments import ImageSegmentation, Instances


def label_data(semantic: PixelData | Mapping[str, Tensor]) -> Tensor:
    """(1, H, W) labels of a data sample's semantic map, which mmseg calls ``data`` and mmdet ``sem_seg``."""
    return semantic.get("sem_seg" if "sem_seg" in semantic else "data")


def label_map(semantic: PixelData | Mapping[str, Tensor]) -> ndarray:
    """(H, W) labels of a data sample's semantic map, as an array."""
    return label_data(semantic).squeeze(0).cpu().numpy()


def prediction_of(sample: Any, num_classes: int) -> ImageSegmentation:
    """Return the predictions of a data sample.

    Args:
        sample: mmseg's SegDataSample, or mmdet's DetDataSample with panoptic, semantic and instance predictions or
            some of them.
        num_classes: K.
    """
    labels = panoptic = instances = None
    if "pred_sem_seg" in sample:
        labels = label_map(sample.pred_sem_seg)
    if "pred_panoptic_seg" in sample:
        from mmmaskformer.det.panoptic_code import read_panoptic

        panoptic = read_panoptic(sample, num_classes)
    if "pred_instances" in sample and "masks" in sample.pred_instances:
        instances = Instances(
            *(sample.pred_instances[key].cpu().numpy() for key in ("labels", "scores", "bboxes", "masks"))
        )
    return ImageSegmentation(labels, panoptic, instances)


def truth_of(sample: Any) -> ImageSegmentation:
    """Return the truth that a test pipeline has loaded into a data sample: labels, and instances of mmdet's.

    A data sample holds no true segments; see :class:`mmmaskformer.engine.hooks.PanelWriterHook`.
    """
    labels = label_map(sample.gt_sem_seg) if "gt_sem_seg" in sample else None
    instances = None
    if "masks" in sample.get("gt_instances", {}):
        found = sample.gt_instances
        masks = np.asarray(found.masks.to_ndarray() if hasattr(found.masks, "to_ndarray") else found.masks.cpu(), bool)
        boxes = np.asarray(getattr(found.bboxes, "tensor", found.bboxes).cpu(), np.float32)
        instances = Instances(found.labels.cpu().numpy(), None, boxes, masks)
    return ImageSegmentation(labels, instances=instances)
