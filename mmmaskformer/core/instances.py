"""Instance inference: the best (query, class) pairs with their masks (Sec. 3.4's pairs, ranked as detectors rank)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmmaskformer.structures import MaskPredictions

from .boxes import boxes_of_masks
from .inference import class_probabilities
from .tiles import OutputGeometry, tiles


@dataclass(frozen=True)
class InstancePredictions:
    """Instances of things, which may overlap, best class probability first.

    Attributes:
        labels: (n,) int64, things.
        scores: (n,) class probability times mask quality.
        masks: (n, H', W') bool.
        boxes: (n, 4) corners x1, y1, x2, y2 in pixels around the masks; zeros for an empty mask.
    """

    labels: Tensor
    scores: Tensor
    masks: Tensor
    boxes: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@torch.compiler.disable
@torch.no_grad()
def instance_predictions(
    predictions: MaskPredictions,
    image: int,
    geometry: OutputGeometry,
    num_things: int,
    max_instances: int = 100,
    layer: int = -1,
) -> InstancePredictions:
    """Instances of one image.

    The most probable of all Q x K pairs are taken, stuff among them left out, and each pair's class probability is
    multiplied with its mask's quality: the mean probability inside the binary mask.

    Args:
        predictions: factorized predictions.
        image: index in the batch.
        geometry: crop and output size; mask logits are resized before the sigmoid.
        num_things: classes 0..num_things-1 are things.
        max_instances: pairs to take.
        layer: decoder layer.
    """
    probabilities = class_probabilities(predictions.class_logits[layer, image])
    best, pairs = probabilities.flatten().topk(min(max_instances, probabilities.numel()))
    labels = pairs % predictions.num_classes
    things = (labels < num_things).nonzero()[:, 0]
    # A query may stand for several classes; its mask is made once.
    queries, which = (pairs[things] // predictions.num_classes).unique(return_inverse=True)
    height, width = geometry.output_size
    masks = torch.empty(len(queries), height, width, dtype=torch.bool, device=best.device)
    area, total = best.new_zeros(len(queries)), best.new_zeros(len(queries))
    if len(queries):
        logits = predictions.masks_of(image, predictions.mask_embeds[layer, image, queries])
        for rows, tile in tiles(logits, geometry, lambda x: x):
            inside = tile > 0
            masks[:, rows] = inside.permute(2, 0, 1)
            area += inside.flatten(0, 1).sum(0)
            total += tile.sigmoid_().mul_(inside).flatten(0, 1).sum(0)
    quality = total / area.clamp(min=1)
    return InstancePredictions(
        labels[things], best[things] * quality[which], masks[which], boxes_of_masks(masks)[which]
    )
