"""Panoptic inference (Sec. 3.4, general inference) and DETR's post-processing (the paper's "MaskFormer (DETR)" row).

Both give each pixel to one confident query and each segment a class; they differ in how pixels are given and which
segments are dropped. Masks are seen in tiles of rows, and nothing waits for the device once a segment.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmmaskformer.precision import at_least_float32
from mmmaskformer.structures import MaskPredictions

from .tiles import OutputGeometry, argmax_last, tiles

DETR_SMALLEST_AREA = 4  # DETR drops segments of at most so many pixels


@dataclass(frozen=True)
class PanopticSegments:
    """Segments that do not overlap: one per instance of things, one per class of stuff.

    Attributes:
        ids: (H', W') int64, the segment of each pixel, numbered 1..S; 0 is VOID.
        labels: (S,) int64 classes.
        scores: (S,) class confidence, of merged stuff the largest.
    """

    ids: Tensor
    labels: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@torch.compiler.disable
@torch.no_grad()
def panoptic_segments(
    predictions: MaskPredictions,
    image: int,
    geometry: OutputGeometry,
    num_things: int,
    confidence: float = 0.8,
    overlap: float = 0.8,
    drop_uncertain_pixels: bool = False,
    layer: int = -1,
) -> PanopticSegments:
    """Apply the paper's panoptic inference.

    Queries that are sure of a class (more than ``confidence``, and not of "no object") compete for each pixel with
    class probability times mask probability. A query that keeps less than ``overlap`` of its own binary mask was
    mostly hidden by others and is dropped, its pixels are VOID. Stuff of one class is merged, things stay apart.

    Args:
        predictions: factorized predictions.
        image: index in the batch.
        geometry: crop and output size; mask logits are resized before the sigmoid.
        num_things: classes 0..num_things-1 are things, the others stuff.
        confidence: least class probability, exclusive.
        overlap: least share of its mask (probability at least 0.5) that a query must keep.
        drop_uncertain_pixels: pixels whose own mask probability is below 0.5 become VOID.
        layer: decoder layer.

    Returns:
        The segments, in order of their first query.
    """
    logits, labels, scores = _confident(predictions, image, confidence, layer)
    if len(labels) == 0:
        return _nothing(geometry, labels, scores)
    winner = torch.empty(geometry.output_size, dtype=torch.long, device=logits.device)
    certain = torch.empty_like(winner, dtype=torch.bool) if drop_uncertain_pixels else None
    mask_area = labels.new_zeros(len(labels))
    for rows, probability in tiles(logits, geometry, Tensor.sigmoid_):
        mask_area += (probability >= 0.5).flatten(0, 1).sum(0)
        taken = argmax_last(probability * scores)
        winner[rows] = taken
        if certain is not None:
            certain[rows] = probability.gather(-1, taken[..., None])[..., 0] >= 0.5
    kept_area = winner.flatten().bincount(minlength=len(labels))
    # In double precision, as the thresholds are written.
    survives = (kept_area > 0) & (mask_area > 0) & (kept_area.double() / mask_area >= overlap)
    if certain is not None:
        winner = torch.where(certain, winner, len(labels))
        survives &= winner.flatten().bincount(minlength=len(labels) + 1)[:-1] > 0
    return _merge_stuff(winner, labels, scores, survives, num_things)


@torch.compiler.disable
@torch.no_grad()
def detr_segments(
    predictions: MaskPredictions,
    image: int,
    geometry: OutputGeometry,
    num_things: int,
    confidence: float = 0.85,
    layer: int = -1,
) -> PanopticSegments:
    """DETR's post-processing: a softmax over the confident masks at each pixel, so that every pixel has a segment.

    Segments of at most 4 pixels, stuff being merged first, are dropped and their pixels given to the others, until
    none is left.

    Args:
        predictions: factorized predictions.
        image: index in the batch.
        geometry: crop and output size.
        num_things: classes 0..num_things-1 are things, the others stuff.
        confidence: least class probability, exclusive.
        layer: decoder layer.
    """
    logits, labels, scores = _confident(predictions, image, confidence, layer)
    while len(labels):
        winner = torch.empty(geometry.output_size, dtype=torch.long, device=logits.device)
        for rows, tile in tiles(logits, geometry, lambda x: x):
            winner[rows] = argmax_last(tile)  # of the logits, which is that of their softmax
        home, _ = homes(labels, torch.ones_like(labels, dtype=torch.bool), num_things)
        area = torch.zeros_like(labels).index_add_(0, home, winner.flatten().bincount(minlength=len(labels)))
        large = (area > DETR_SMALLEST_AREA)[home]
        if large.all():
            return _merge_stuff(winner, labels, scores, large, num_things)
        logits, labels, scores = logits[large], labels[large], scores[large]
    return _nothing(geometry, labels, scores)


def _confident(
    predictions: MaskPredictions, image: int, confidence: float, layer: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Mask logits (n, h, w), labels (n,) and class probabilities (n,) of the queries that are sure of a class."""
    scores, labels = at_least_float32(predictions.class_logits[layer, image]).softmax(-1).max(-1)
    kept = ((labels < predictions.num_classes) & (scores > confidence)).nonzero()[:, 0]
    logits = predictions.masks_of(image, predictions.mask_embeds[layer, image, kept])
    return logits, labels[kept], scores[kept]


def _nothing(geometry: OutputGeometry, labels: Tensor, scores: Tensor) -> PanopticSegments:
    return PanopticSegments(torch.zeros(geometry.output_size, dtype=torch.long, device=labels.device), labels, scores)


def homes(labels: Tensor, survives: Tensor, num_things: int) -> tuple[Tensor, Tensor]:
    """Apply the rule by which stuff is merged: queries of one class of stuff join the first of them that survives.

    Things stay apart. Without loops or anything that depends on values, so that exported graphs have it, too.

    Args:
        labels: (..., Q) class of each query.
        survives: (..., Q) bool, whether the query keeps its pixels.
        num_things: classes 0..num_things-1 are things, the others stuff.

    Returns:
        (..., Q) int64, the query whose segment each query's pixels join, and (..., Q) bool, which queries are segments.
    """
    own = torch.arange(labels.shape[-1], device=labels.device)
    same = (labels[..., :, None] == labels[..., None, :]) & survives[..., None, :]
    home = torch.where(labels < num_things, own, same.int().argmax(-1))
    return home, survives & (home == own)


def merged_scores(scores: Tensor, home: Tensor, survives: Tensor) -> Tensor:
    """(..., Q) the largest score of the surviving queries whose home is each query; see :func:`homes`."""
    own = torch.arange(scores.shape[-1], device=scores.device)
    joins = (home[..., None, :] == own[:, None]) & survives[..., None, :]
    return (joins * scores[..., None, :]).amax(-1)


def _merge_stuff(winner: Tensor, labels: Tensor, scores: Tensor, survives: Tensor, num_things: int) -> PanopticSegments:
    """Segments from the query that won each pixel; ``n`` (one past the last query) is no query."""
    home, heads = homes(labels, survives, num_things)
    number = torch.where(survives, heads.cumsum(0)[home], 0)
    best = merged_scores(scores, home, survives)
    return PanopticSegments(torch.cat([number, number.new_zeros(1)])[winner], labels[heads], best[heads])
