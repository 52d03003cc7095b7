"""Factorized masks -> pixels of any size, one tile of rows after the other.

No consumer ever holds Q x H x W masks: it sees the queries' values at a few rows of the result at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mmmaskformer.pixels import size_of
from mmmaskformer.precision import at_least_float32, without_autocast

from .numerics import bilinear_taps

ORDERS = ("scores", "mask_logits")


@dataclass(frozen=True)
class OutputGeometry:
    """Where an image lies in the padded input, and the size of its output.

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
        return cls(size, (0, 0, *size), size)


class _Axis:
    """Bilinear resizing of one axis (half-pixel centers), evaluated for a range of outputs at a time."""

    def __init__(self, size: int, new_size: int) -> None:
        self.identity = size == new_size
        self.lower, self.upper, self.fraction = bilinear_taps(size, new_size)

    def needs(self, start: int, stop: int) -> tuple[int, int]:
        """Range of inputs that the outputs [start, stop) read."""
        return (start, stop) if self.identity else (int(self.lower[start]), int(self.upper[stop - 1]) + 1)

    def resize_rows(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Return outputs [start, stop) of axis 0 from the inputs that :meth:`needs` names, by a product."""
        if self.identity:
            return x
        weights = x.new_zeros(stop - start, len(x))
        first = self.lower[start]
        fraction = self.fraction[start:stop, None].to(x.dtype).to(x.device)
        weights.scatter_add_(1, (self.lower[start:stop, None] - first).to(x.device), 1 - fraction)
        weights.scatter_add_(1, (self.upper[start:stop, None] - first).to(x.device), fraction)
        return torch.mm(weights, x.flatten(1)).view(-1, *x.shape[1:])

    def resize_columns(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Return outputs [start, stop) of axis 1 from the inputs that :meth:`needs` names, by a gather."""
        if self.identity:
            return x
        first = self.lower[start]
        lower = (self.lower[start:stop] - first).to(x.device)
        upper = (self.upper[start:stop] - first).to(x.device)
        fraction = self.fraction[start:stop, None].to(x.dtype).to(x.device)
        return x.index_select(1, lower).lerp_(x.index_select(1, upper), fraction)


class _Resizing:
    """The axes of both resizings: mask logits to the input size, and the crop of them to the output size."""

    def __init__(self, size: tuple[int, int], geometry: OutputGeometry) -> None:
        self.top, self.left, height, self.width = geometry.crop
        self.columns = geometry.output_size[1]
        self.up_rows = _Axis(size[0], geometry.input_size[0])
        self.up_columns = _Axis(size[1], geometry.input_size[1])
        self.out_rows = _Axis(height, geometry.output_size[0])
        self.out_columns = _Axis(self.width, self.columns)

    def tile(
        self, logits: Tensor, start: int, stop: int, to_scores: Callable[[Tensor], Tensor], scores_first: bool
    ) -> Tensor:
        """Scores (stop - start, W', S) of the output rows [start, stop)."""
        crop_start, crop_stop = (self.top + edge for edge in self.out_rows.needs(start, stop))
        first, last = self.up_rows.needs(crop_start, crop_stop)
        needed = slice(*self.up_columns.needs(self.left, self.left + self.width))
        # Always a copy, since to_scores may work in place; contiguous() is none where only one axis is longer than 1.
        x = at_least_float32(logits[:, first:last, needed].permute(1, 2, 0)).clone(
            memory_format=torch.contiguous_format
        )
        x = self.up_columns.resize_columns(x, self.left, self.left + self.width)
        x = self.up_rows.resize_rows(x, crop_start, crop_stop)
        if scores_first:
            x = to_scores(x)
        x = self.out_rows.resize_rows(x, start, stop)
        x = x[:, slice(*self.out_columns.needs(0, self.columns))]
        x = self.out_columns.resize_columns(x, 0, self.columns)
        return x if scores_first else to_scores(x)


def tiles(
    logits: Tensor,
    geometry: OutputGeometry,
    to_scores: Callable[[Tensor], Tensor],
    order: str = "mask_logits",
    depth: int = 0,
) -> Iterator[tuple[slice, Tensor]]:
    """Scores of one tile of output rows after the other, in fp32 at least, also under autocast.

    Args:
        logits: (Q, h, w) mask logits, which stay as they are.
        geometry: crop and output size.
        to_scores: (..., Q) -> (..., S), may work in place. Queries come last, so that a pixel's values lie together.
        order: "scores" applies it at input size and resizes its result, "mask_logits" resizes the logits first.
        depth: S where it is larger than Q; bounds the height of a tile.

    Yields:
        The rows, and their scores (rows, W', S).
    """
    rows = rows_per_tile(logits.device, geometry, max(len(logits), depth))
    resizing = _Resizing(size_of(logits), geometry)
    for start in range(0, geometry.output_size[0], rows):
        stop = min(start + rows, geometry.output_size[0])
        with without_autocast(logits):
            scores = resizing.tile(logits, start, stop, to_scores, order == "scores")
        yield slice(start, stop), scores


def rows_per_tile(device: torch.device, geometry: OutputGeometry, depth: int) -> int:
    """Rows whose widest temporary stays near the cache on a CPU, and small beside the features elsewhere."""
    budget = 1 << 21 if device.type == "cpu" else 1 << 26
    width = max(geometry.crop[3], geometry.output_size[1])
    return max(4, budget // (width * depth))


def argmax_last(scores: Tensor) -> Tensor:
    """Index of the (first) largest value on the last axis; numpy's argmax is several times torch's speed on a CPU."""
    if scores.device.type == "cpu":
        return torch.from_numpy(scores.numpy().argmax(-1))
    return scores.argmax(-1)
