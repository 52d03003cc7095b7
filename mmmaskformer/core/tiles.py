"""Factorised masks -> pixels of any size, one tile of rows after the other.

No consumer ever holds Q x H x W masks: it sees the queries' values at a few rows of the result at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .numerics import bilinear_taps

ORDERS = ("scores", "mask_logits")


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


def tiles(
    logits: Tensor,
    geometry: OutputGeometry,
    to_scores: Callable[[Tensor], Tensor],
    order: str = "mask_logits",
    depth: int = 0,
) -> Iterator[tuple[slice, Tensor]]:
    """Scores of one tile of output rows after the other.

    Args:
        logits: (Q, h, w) mask logits.
        geometry: crop and output size.
        to_scores: (..., Q) -> (..., S), may work in place. Queries come last, so that a pixel's values lie together.
        order: "scores" applies it at input size and resizes its result, "mask_logits" resizes the logits first.
        depth: S where it is larger than Q; bounds the height of a tile.

    Yields:
        The rows, and their scores (rows, W', S).
    """
    rows = rows_per_tile(logits.device, geometry, max(len(logits), depth))
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
