"""What a transformer decoder attends to."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mmmaskformer.pixels import size_of


@dataclass
class Memory:
    """A feature map as a sequence of pixels.

    Attributes:
        pixels: (B, hw, C).
        positions: (B or 1, hw, C), added to the keys of the attention.
        padding: (B, hw) bool, True on padding, which is hidden from the attention; or None.
        size: (h, w).
    """

    pixels: Tensor
    positions: Tensor
    padding: Tensor | None
    size: tuple[int, int]

    @classmethod
    def from_maps(cls, features: Tensor, positions: Tensor, padding_mask: Tensor | None) -> Memory:
        """From features (B, C, h, w), positions (B or 1, C, h, w) and padding (B, h, w) or None."""
        return cls(
            features.flatten(2).transpose(1, 2),
            positions.flatten(2).transpose(1, 2),
            None if padding_mask is None else padding_mask.flatten(1),
            size_of(features),
        )
