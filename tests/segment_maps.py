"""Segment maps from mmdet's code, which is short to write."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from mmmaskformer.det.panoptic_code import read_panoptic
from mmmaskformer.segments import Instances, SegmentMap


def decoded(code: np.ndarray | list, num_classes: int, score: float | None = None) -> SegmentMap:
    """The segments of a map (H, W) of class + 1000 x instance, all of one score."""
    found = read_panoptic({"pred_panoptic_seg": {"sem_seg": torch.as_tensor(code)[None]}}, num_classes)
    return found if score is None else replace(found, scores=np.full(len(found), score))


def instances(masks: Sequence, scores: Sequence[float], labels: Sequence[int] | None = None) -> Instances:
    """Instances with masks (n, H, W) and the boxes around them, of class 0, 1, ... by default."""
    masks = np.asarray(masks, bool)
    boxes = []
    for mask in masks:
        rows, columns = np.nonzero(mask)
        boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    labels = np.arange(len(masks)) if labels is None else np.array(labels, np.int64)
    return Instances(labels, np.array(scores, np.float32), np.array(boxes, np.float32).reshape(-1, 4), masks)
