"""From probability-mask pairs to pixels (Sec. 3.4): semantic inference and general inference for semantic output.

Label maps are made in tiles of rows straight from the factorised masks: neither Q x H x W masks nor K x H x W scores
are ever held. Two orders exist at test time and give different pixels at segment borders:

- "scores": mask logits to the padded input size, sigmoid, class product, crop, scores to the output size
  (the reference release's semantic models);
- "mask_logits": mask logits to the padded input size, crop, to the output size, then sigmoid and class product
  (the release with panoptic output on).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmmaskformer.structures import MaskPredictions

from .numerics import bilinear_taps

ORDERS = ("scores", "mask_logits")
METHODS = ("semantic", "general")


@dataclass(frozen=True)
class OutputGeometry:
    """Where an image lies in the padded input, and the size its output shall have.

    Attributes:
        input_size: (H, W) of the padded input.
        crop: (top, left, height, width) of the image in it.
        output_size: (H', W') of the result.
    """

    input_size: tuple[int, int]
    crop: tuple[int, int, int, int]
    output_size: tuple[int, int]

    @classmethod
    def plain(cls, size: tuple[int, int]) -> OutputGeometry:
        """No padding, output at input size."""
        return cls(tuple(size), (0, 0, *size), tuple(size))


def class_probabilities(class_logits: Tensor) -> Tensor:
    """Softmax over K+1 classes without the "no object" column: (..., K+1) -> (..., K)."""
    return class_logits.float().softmax(-1)[..., :-1]


def semantic_scores(predictions: MaskPredictions, size: tuple[int, int], layer: int = -1) -> Tensor:
    """Semantic inference as whole score maps: ``sum_i p_i(c) m_i[h, w]`` (Sec. 3.4).

    Args:
        predictions: factorised predictions.
        size: (H, W) to which the mask logits are upsampled.
        layer: decoder layer.

    Returns:
        (B, K, H, W). Memory grows with K x H x W; :func:`label_map` is for labels alone.
    """
    logits = F.interpolate(predictions.mask_logits(layer).float(), size=size, mode="bilinear", align_corners=False)
    return torch.einsum("bqk,bqhw->bkhw", class_probabilities(predictions.class_logits[layer]), logits.sigmoid_())


@torch.no_grad()
def label_map(
    predictions: MaskPredictions,
    image: int,
    geometry: OutputGeometry,
    order: str = "scores",
    method: str = "semantic",
    void: int = 255,
    layer: int = -1,
) -> Tensor:
    """Label map of one image, streamed over tiles of rows.

    Args:
        predictions: factorised predictions.
        image: index in the batch.
        geometry: crop and output size.
        order: "scores" or "mask_logits", see the module's head; general inference always takes "mask_logits".
        method: "semantic" marginalises over the pairs; "general" gives each pixel to one pair (Sec. 3.4).
        void: label of pixels where every query says "no object" (general inference only).
        layer: decoder layer.

    Returns:
        (H', W') int64 labels.
    """
    if order not in ORDERS or method not in METHODS:
        raise ValueError(f"order={order!r} (one of {ORDERS}) and method={method!r} (one of {METHODS})")
    logits = predictions.masks_of(image, predictions.mask_embeds[layer, image]).float()
    if method == "semantic":
        weights = class_probabilities(predictions.class_logits[layer, image])
        classes = None
    else:
        confidence, best = predictions.class_logits[layer, image].float().softmax(-1).max(-1)
        kept = best < predictions.num_classes
        if not kept.any():
            return torch.full(geometry.output_size, void, device=logits.device)
        logits, classes, order = logits[kept], best[kept], "mask_logits"
        weights = confidence[kept].diag()
    # A product whose width is a multiple of 16 is up to 1.7 times faster on a CPU. The empty columns score 0, which
    # never beats a sum of probabilities: of equal scores the first wins.
    weights = F.pad(weights, (0, -weights.shape[1] % 16))

    def to_scores(logits: Tensor) -> Tensor:
        return logits.sigmoid_() @ weights

    labels = torch.empty(geometry.output_size, dtype=torch.long, device=logits.device)
    rows = _rows_per_tile(logits.device, geometry, max(len(logits), weights.shape[1]))
    for tile, scores in _tiles(logits, geometry, rows, to_scores, order):
        winner = _argmax_last(scores)
        labels[tile] = winner if classes is None else classes[winner]
    return labels


class _Axis:
    """Bilinear resizing of one axis (half-pixel centres), evaluated for a range of outputs at a time."""

    def __init__(self, size: int, new_size: int) -> None:
        self.identity = size == new_size
        self.lower, self.upper, fraction = bilinear_taps(size, new_size)
        self.fraction = fraction.float()

    def needs(self, start: int, stop: int) -> tuple[int, int]:
        """Range of inputs that the outputs [start, stop) read."""
        return (start, stop) if self.identity else (int(self.lower[start]), int(self.upper[stop - 1]) + 1)

    def resize_rows(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Outputs [start, stop) of axis 0 from the inputs that :meth:`needs` names: few in a tile, so a product."""
        if self.identity:
            return x
        weights = torch.zeros(stop - start, len(x), device=x.device)
        first = self.lower[start]
        fraction = self.fraction[start:stop, None].to(x.device)
        weights.scatter_add_(1, (self.lower[start:stop, None] - first).to(x.device), 1 - fraction)
        weights.scatter_add_(1, (self.upper[start:stop, None] - first).to(x.device), fraction)
        return torch.mm(weights, x.flatten(1)).view(-1, *x.shape[1:])

    def resize_columns(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Outputs [start, stop) of axis 1 from the inputs that :meth:`needs` names; columns are many: a gather."""
        if self.identity:
            return x
        first = self.lower[start]
        lower = (self.lower[start:stop] - first).to(x.device)
        upper = (self.upper[start:stop] - first).to(x.device)
        fraction = self.fraction[start:stop, None].to(x.device)
        return x.index_select(1, lower).lerp_(x.index_select(1, upper), fraction)


def _tiles(
    logits: Tensor,
    geometry: OutputGeometry,
    rows: int,
    to_scores: Callable[[Tensor], Tensor],
    order: str,
) -> Iterator[tuple[slice, Tensor]]:
    """Scores (rows, W', S) of one tile of output rows after the other, from mask logits (Q, h, w).

    Queries come last, so that a pixel's values lie together.
    """
    top, left, height, width = geometry.crop
    up_rows = _Axis(logits.shape[1], geometry.input_size[0])
    up_columns = _Axis(logits.shape[2], geometry.input_size[1])
    out_rows = _Axis(height, geometry.output_size[0])
    out_columns = _Axis(width, geometry.output_size[1])
    column_start, column_stop = up_columns.needs(left, left + width)
    for start in range(0, geometry.output_size[0], rows):
        stop = min(start + rows, geometry.output_size[0])
        crop_start, crop_stop = (top + edge for edge in out_rows.needs(start, stop))
        first, last = up_rows.needs(crop_start, crop_stop)
        x = logits[:, first:last, column_start:column_stop].permute(1, 2, 0).contiguous()
        x = up_columns.resize_columns(x, left, left + width)
        x = up_rows.resize_rows(x, crop_start, crop_stop)
        if order == "scores":
            x = to_scores(x)
        x = out_rows.resize_rows(x, start, stop)
        columns = geometry.output_size[1]
        x = out_columns.resize_columns(x[:, slice(*out_columns.needs(0, columns))], 0, columns)
        yield slice(start, stop), x if order == "scores" else to_scores(x)


def _rows_per_tile(device: torch.device, geometry: OutputGeometry, depth: int) -> int:
    """Rows whose widest temporary stays near the cache on a CPU, and small beside the features elsewhere."""
    budget = 1 << 21 if device.type == "cpu" else 1 << 26
    width = max(geometry.crop[3], geometry.output_size[1])
    return max(4, budget // (width * depth))


def _argmax_last(scores: Tensor) -> Tensor:
    """Index of the (first) largest value on the last axis; numpy's argmax is several times torch's speed on a CPU."""
    if scores.device.type == "cpu":
        return torch.from_numpy(scores.numpy().argmax(-1))
    return scores.argmax(-1)
