"""Boxes: around masks, and to match and learn by (Table 5: matching "by box" against "by mask").

Boxes are (x1, y1, x2, y2) in pixels, or normalized (cx, cy, w, h) with sides of the padded input as 1, as DETR predicts
them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmmaskformer.pixels import size_of
from mmmaskformer.precision import at_least_float32
from mmmaskformer.registry import MODELS, TASK_UTILS

from .losses import WeightedLoss


def boxes_of_masks(masks: Tensor) -> Tensor:
    """Tight corners (n, 4) float around masks (n, H, W) bool; the right and lower edges lie behind the last pixel.

    Zeros for an empty mask.
    """
    edges = []
    for axis in (1, 2):  # columns first: x before y
        occupied = masks.any(axis)
        first = occupied.int().argmax(1)
        behind = occupied.shape[1] - occupied.flip(1).int().argmax(1)
        edges.append((first, behind * occupied.any(1)))
    (left, right), (top, bottom) = edges
    return torch.stack([left, top, right, bottom], dim=1).float()


def boxes_of_segments(masks: Tensor, dtype: torch.dtype) -> Tensor:
    """Return normalized (cx, cy, w, h) (n, 4) around masks (n, H, W) bool."""
    return normalized(boxes_of_masks(masks).to(dtype), size_of(masks))


def normalized(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(cx, cy, w, h) in parts of ``size`` (H, W) from corners (..., 4) in pixels."""
    left, top, right, bottom = boxes.unbind(-1)
    height, width = size
    centered = [(left + right) / (2 * width), (top + bottom) / (2 * height)]
    return torch.stack([*centered, (right - left) / width, (bottom - top) / height], dim=-1)


def corners(boxes: Tensor) -> Tensor:
    """(x1, y1, x2, y2) from (cx, cy, w, h), (..., 4)."""
    center, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([center - half, center + half], dim=-1)


def generalized_iou(ours: Tensor, theirs: Tensor) -> Tensor:
    """GIoU of corners that broadcast, (..., 4) and (..., 4) -> (...).

    IoU less the share of the smallest enclosing box that neither covers (Rezatofighi et al., 2019).
    """

    def area(lower: Tensor, upper: Tensor) -> Tensor:
        return (upper - lower).clamp(min=0).prod(-1)

    low, high, their_low, their_high = ours[..., :2], ours[..., 2:], theirs[..., :2], theirs[..., 2:]
    both = area(low.maximum(their_low), high.minimum(their_high))
    either = area(low, high) + area(their_low, their_high) - both
    hull = area(low.minimum(their_low), high.maximum(their_high))
    tiny = torch.finfo(ours.dtype).eps
    return both / either.clamp(min=tiny) - (hull - either) / hull.clamp(min=tiny)


class BoxCost:
    """A cost between normalized boxes."""

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, boxes: Tensor, targets: Tensor) -> Tensor:
        """Unweighted cost (L, B, Q, N) of boxes (L, B, Q, 4) for the boxes (B, N, 4) of N segments per image."""
        raise NotImplementedError


@TASK_UTILS.register_module()
class BoxL1Cost(BoxCost):
    """Sum of the absolute differences of (cx, cy, w, h)."""

    def __init__(self, weight: float = 5.0) -> None:
        super().__init__(weight)

    def __call__(self, boxes: Tensor, targets: Tensor) -> Tensor:
        return torch.cdist(at_least_float32(boxes), at_least_float32(targets)[None], p=1)


@TASK_UTILS.register_module()
class GIoUCost(BoxCost):
    """Negative generalized IoU."""

    def __init__(self, weight: float = 2.0) -> None:
        super().__init__(weight)

    def __call__(self, boxes: Tensor, targets: Tensor) -> Tensor:
        boxes, targets = at_least_float32(boxes), at_least_float32(targets)
        return -generalized_iou(corners(boxes)[..., None, :], corners(targets)[None, :, None])


class BoxLoss(WeightedLoss):
    """A loss between normalized boxes."""

    def forward(self, boxes: Tensor, targets: Tensor) -> Tensor:
        """Unweighted loss (...) of boxes (..., 4) against targets (..., 4)."""
        raise NotImplementedError


@MODELS.register_module()
class BoxL1Loss(BoxLoss):
    """Sum of the absolute differences of (cx, cy, w, h)."""

    def __init__(self, loss_weight: float = 5.0, loss_name: str = "loss_bbox") -> None:
        super().__init__(loss_weight, loss_name)

    def forward(self, boxes: Tensor, targets: Tensor) -> Tensor:
        return (boxes - targets).abs().sum(-1)


@MODELS.register_module()
class GIoULoss(BoxLoss):
    """One less the generalized IoU."""

    def __init__(self, loss_weight: float = 2.0, loss_name: str = "loss_giou") -> None:
        super().__init__(loss_weight, loss_name)

    def forward(self, boxes: Tensor, targets: Tensor) -> Tensor:
        return 1 - generalized_iou(corners(boxes), corners(targets))
