"""From what a server has to what the network takes: the config's data preprocessor as part of the graph."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmmaskformer.errors import UserError


class ImageInput(nn.Module):
    """Images (B, H, W, 3) uint8, RGB -> normalized and padded (B, 3, H', W') float, channels in the model's order.

    Args:
        preprocessor: mmseg's SegDataPreProcessor or mmdet's DetDataPreprocessor, which reads BGR.

    Raises:
        UserError: the model takes other images than of three channels.
    """

    def __init__(self, preprocessor: nn.Module) -> None:
        super().__init__()
        conversion = getattr(preprocessor, "channel_conversion", getattr(preprocessor, "_channel_conversion", False))
        self.to_bgr = not conversion
        self.normalizes = getattr(preprocessor, "_enable_normalize", False)
        if self.normalizes:
            self.register_buffer("mean", preprocessor.mean)
            self.register_buffer("std", preprocessor.std)
            if len(self.mean) != 3:
                raise UserError(f"the model takes images of {len(self.mean)} channels; only RGB models are exported")
        self.least: tuple[int, int] = (1, 1)
        if hasattr(preprocessor, "test_cfg"):
            # mmseg's: its other divisor, which the maintained fork calls pad_size_divisor, is for training alone.
            padding = preprocessor.test_cfg or {}
            self.least = tuple(padding.get("size") or self.least)
            self.divisor: int = padding.get("size_divisor") or 1
            self.pad_value = preprocessor.pad_val
        else:
            self.divisor = getattr(preprocessor, "pad_size_divisor", 1)
            self.pad_value = getattr(preprocessor, "pad_value", 0)

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.permute(0, 3, 1, 2)
        if self.to_bgr:
            pixels = pixels.flip(1)
        pixels = pixels.float()
        if self.normalizes:
            pixels = (pixels - self.mean) / self.std
        height, width = (self._padded(side, axis) - side for axis, side in enumerate(pixels.shape[-2:]))
        return F.pad(pixels, (0, width, 0, height), value=self.pad_value)

    def _padded(self, side: int, axis: int) -> int:
        if self.least[axis] > 1:
            return torch.sym_max(side, self.least[axis])
        return (side + self.divisor - 1) // self.divisor * self.divisor
