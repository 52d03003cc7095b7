"""Sec. 3.4 as graphs: whole batches, fixed numbers of results, no loops and nothing that depends on values.

The same arithmetic as ``core.inference``, ``core.panoptic`` and ``core.instances``, which are for eager use: they see
a few rows and the confident queries at a time, and so need less memory. Results of a number that depends on the image
are tables with one row per query here, with class -1 in the rows without a result.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmmaskformer.core.boxes import boxes_of_masks
from mmmaskformer.core.inference import class_probabilities
from mmmaskformer.core.panoptic import homes, merged_scores

NOTHING = -1  # class of a row that is no result, and segment of a pixel that is void


class Placement:
    """Where the images of a batch lie in the padded input, and the size of their results.

    Args:
        padded: (H', W') of the network's input; images lie top left.
        size: (H, W) of the images.
        output: size of the results, None for that of the images.
    """

    def __init__(self, padded: tuple[int, int], size: tuple[int, int], output: tuple[int, int] | None) -> None:
        self.padded = padded
        self.size = size
        self.output = output

    def upsample(self, masks: Tensor) -> Tensor:
        """(B, N, h, w) to the padded input's size."""
        return resize(masks, self.padded)

    def to_output(self, maps: Tensor) -> Tensor:
        """(B, N, H', W') without padding, at output size."""
        maps = maps[..., : self.size[0], : self.size[1]]
        return maps if self.output is None else resize(maps, self.output)


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, N, h, w) bilinearly to ``size``."""
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def semantic_scores(class_logits: Tensor, masks: Tensor, placement: Placement, order: str) -> Tensor:
    """Class scores (B, K, H, W) at output size of class logits (B, Q, K+1) and mask logits (B, Q, h, w).

    ``order`` is that of ``core.inference``: what is resized to the output size.
    """
    probabilities = class_probabilities(class_logits)
    masks = placement.upsample(masks)
    if order == "mask_logits":
        masks = placement.to_output(masks)
    scores = torch.einsum("bqk,bqhw->bkhw", probabilities, masks.sigmoid())
    return scores if order == "mask_logits" else placement.to_output(scores)


def general_labels(class_logits: Tensor, masks: Tensor, placement: Placement, void: int) -> Tensor:
    """Label map (B, H, W) of general inference: a pixel takes the class of the pair that wins it."""
    confidence, labels = class_logits.softmax(-1).max(-1)
    kept = labels < class_logits.shape[-1] - 1
    winner = winners(placement.to_output(placement.upsample(masks)).sigmoid(), confidence, kept)
    found = labels.gather(1, winner.flatten(1)).view_as(winner)
    return torch.where(kept.any(1)[:, None, None], found, void)


def panoptic(
    class_logits: Tensor,
    logits: Tensor,
    num_things: int,
    confidence: float,
    overlap: float,
    drop_uncertain_pixels: bool,
) -> dict[str, Tensor]:
    """Panoptic inference; see :func:`mmmaskformer.core.panoptic.panoptic_segments`.

    Args:
        class_logits: (B, Q, K+1).
        logits: (B, Q, H, W) mask logits at output size.
        num_things: classes below are things.
        confidence: least class probability, exclusive.
        overlap: least share of its mask that a query must keep.
        drop_uncertain_pixels: pixels whose own mask probability is below 0.5 become void.

    Returns:
        ``segment_map`` (B, H, W) int32, the row of each pixel's segment, -1 where void; ``segment_labels`` (B, Q)
        int32, a segment's class, -1 where a row is none; ``segment_scores`` (B, Q).
    """
    scores, labels = class_logits.softmax(-1).max(-1)
    kept = (labels < class_logits.shape[-1] - 1) & (scores > confidence)
    probability = logits.sigmoid()
    winner = winners(probability, scores, kept)
    mask_area = (probability >= 0.5).sum((2, 3), dtype=torch.int32)
    kept_area = pixels_won(winner, labels)
    survives = kept & (kept_area > 0) & (mask_area > 0) & (kept_area.double() / mask_area >= overlap)
    certain = None
    if drop_uncertain_pixels:
        certain = probability.gather(1, winner[:, None])[:, 0] >= 0.5
        survives &= pixels_won(winner, labels, certain) > 0

    home, head = homes(labels, survives, num_things)
    segment = torch.where(survives, home, NOTHING).gather(1, winner.flatten(1)).view_as(winner)
    if certain is not None:
        segment = torch.where(certain, segment, NOTHING)
    return {
        "segment_map": segment.int(),
        "segment_labels": torch.where(head, labels, NOTHING).int(),
        "segment_scores": torch.where(head, merged_scores(scores, home, survives), 0.0),
    }


def instances(class_logits: Tensor, logits: Tensor, num_things: int, max_instances: int) -> dict[str, Tensor]:
    """Instance inference; see :func:`mmmaskformer.core.instances.instance_predictions`.

    Args:
        class_logits: (B, Q, K+1).
        logits: (B, Q, H, W) mask logits at output size.
        num_things: classes below are things.
        max_instances: pairs to take.

    Returns:
        ``instance_labels`` (B, N) int32, -1 in rows that are none; ``instance_scores`` (B, N), 0 in those;
        ``instance_masks`` (B, N, H, W) bool; ``instance_boxes`` (B, N, 4) corners in pixels. Best class first.
    """
    batch, queries, classes = class_logits.shape[0], class_logits.shape[1], class_logits.shape[2] - 1
    best, pairs = class_probabilities(class_logits).flatten(1).topk(min(max_instances, queries * classes))
    labels = pairs % classes
    things = labels < num_things
    inside = logits > 0
    area = inside.sum((2, 3), dtype=torch.int32)
    quality = (logits.sigmoid() * inside).sum((2, 3)) / area.clamp(min=1)
    # One index into the batch's masks together: a gather would need an index as large as the masks.
    row = (pairs // classes + torch.arange(batch, device=pairs.device)[:, None] * queries).flatten()
    masks = inside.flatten(0, 1)[row]
    return {
        "instance_labels": torch.where(things, labels, NOTHING).int(),
        "instance_scores": torch.where(things, best * quality.flatten()[row].view_as(best), 0.0),
        "instance_masks": masks.unflatten(0, pairs.shape),
        "instance_boxes": boxes_of_masks(masks).unflatten(0, pairs.shape),
    }


def winners(probability: Tensor, scores: Tensor, kept: Tensor) -> Tensor:
    """(B, H, W) the kept query with the largest class times mask probability; any where none is kept."""
    weighted = probability * scores[..., None, None]
    return torch.where(kept[..., None, None], weighted, -1.0).argmax(1)


def pixels_won(winner: Tensor, labels: Tensor, counted: Tensor | None = None) -> Tensor:
    """(B, Q) pixels that each query won of ``winner`` (B, H, W), of those that are ``counted`` if that is given."""
    ones = torch.ones_like(winner) if counted is None else counted.long()
    return torch.zeros_like(labels).scatter_add(1, winner.flatten(1), ones.flatten(1))
