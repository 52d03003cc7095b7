"""What a pixel decoder gives: per-pixel embeddings, and maps that a transformer decoder attends to (Sec. 3.3).

Shapes: B images, C channels, h w = stride-4 size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from mmmaskformer.precision import at_least_float32, without_autocast


def size_of(x: Tensor) -> tuple[int, int]:
    """(h, w) of maps (..., h, w)."""
    height, width = x.shape[-2:]
    return height, width


@dataclass
class PixelEmbeddings:
    """Per-pixel embeddings, with the pixel decoder's last convolution not yet applied if it has one.

    That convolution is linear, and so is the dot product with a mask embedding: ``e . (W * x) = (e W) * x``. For a few
    masks, a convolution with as many kernels ``e W`` is cheaper than C embeddings of which few directions are used,
    above all in the backward pass.

    Attributes:
        features: (B, C', h, w), the convolution's input; the embeddings themselves (C' = C) without a convolution.
        weight: (C, C', k, k) of the convolution, k odd, stride 1, padding to the same size; or None.
        bias: (C,), or None.
    """

    features: Tensor
    weight: Tensor | None = None
    bias: Tensor | None = None
    _resized: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False, compare=False)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w)."""
        return tuple(self.features.shape[-2:])

    def dense(self) -> Tensor:
        """Return the embeddings (B, C, h, w)."""
        return self.features if self.weight is None else self._convolve(self.features, self.weight, self.bias)

    def masks(self, image: int, embeds: Tensor) -> Tensor:
        """Dot products (R, h, w) of one image's pixels with embeddings (R, C), computed in the cheaper order."""
        return self._with(self.features[image : image + 1])._products(embeds)

    def masks_of_each(self, embeds: Sequence[Tensor]) -> Tensor:
        """Dot products (R_1 + ... + R_B, h, w) of each image's pixels with its embeddings (R_b, C)."""
        # The gradient of a slice is as large as the whole batch, and that of a split is one for all images.
        images = self.features.split(1)
        return torch.cat([self._with(image)._products(part) for image, part in zip(images, embeds, strict=True)])

    def _with(self, features: Tensor) -> PixelEmbeddings:
        """Other features before the same convolution."""
        return PixelEmbeddings(features, self.weight, self.bias)

    def _products(self, embeds: Tensor) -> Tensor:
        """Masks (R, h, w) of embeddings (R, C), for one image alone."""
        one = self.at_least_float32()
        # torch has no convolution with 0 kernels, but the graph must not end at an image without segments.
        if one.weight is None or not 0 < len(embeds) < len(one.weight):
            return torch.einsum("rc,bchw->rhw", embeds, one.dense())
        kernels = torch.einsum("rc,cdij->rdij", embeds, one.weight)
        return self._convolve(one.features, kernels, embeds @ one.bias).squeeze(0)

    @torch.no_grad()
    def resized(self, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """Return the embeddings resized bilinearly (``align_corners=False``) to each size (h', w'), without gradients.

        In fp32 at least, also under autocast: what is a mask and what is not depends on a sign.

        Halving, or dividing by another even number, reads two neighboring pixels per axis in equal parts. The mean of
        a convolution at neighboring places is the convolution of the mean, so only the result's places are convolved.
        Results are kept: attention and the class head read the same ones.

        Returns:
            (B, C, h', w') per size.
        """
        with without_autocast(self.features):
            pixels = self.at_least_float32()
            for size in sizes:
                if size not in self._resized:
                    step = None if self.weight is None else self._step(size)
                    self._resized[size] = pixels._interpolated(size) if step is None else pixels._divided(step)
        return [self._resized[size] for size in sizes]

    def forget_resized(self) -> None:
        """Free what :meth:`resized` keeps."""
        self._resized.clear()

    def _interpolated(self, size: tuple[int, int]) -> Tensor:
        return F.interpolate(self.dense(), size=size, mode="bilinear", align_corners=False)

    def _divided(self, step: int) -> Tensor:
        """Both sides divided by an even number: the convolution of means of 2x2 neighbors."""
        kernel = self.weight.shape[-1]
        reach = kernel // 2
        if step <= kernel:
            # A pooling over pairs pads by one pixel itself, several times faster than a padded copy.
            inner = min(reach, 1)
            padded = F.pad(self.features, (reach - inner,) * 4) if reach > inner else self.features
            first = step // 2 - 1
            means = F.avg_pool2d(padded, 2, stride=1, padding=inner)[..., first:, first:]
            return F.conv2d(means, self.weight, self.bias, stride=step)
        # Each result reads pixels of its own block of step x step alone, and not all of them if the step is large.
        first = step // 2 - 1 - reach
        read = slice(first, first + kernel + 1)
        blocks = self.features.permute(0, 2, 3, 1).unflatten(2, (-1, step)).unflatten(1, (-1, step))
        blocks = blocks[:, :, read, :, read]
        rows = blocks[:, :, :-1] + blocks[:, :, 1:]
        means = (rows[..., :-1, :] + rows[..., 1:, :]).mul_(0.25)
        means = means.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)
        return F.conv2d(means, self.weight, self.bias, stride=kernel)

    def _step(self, size: tuple[int, int]) -> int | None:
        """Return the even number by which both sides are divided, or None."""
        step = self.size[0] // size[0]
        return step if step and step % 2 == 0 and self.size == (size[0] * step, size[1] * step) else None

    def at_least_float32(self) -> PixelEmbeddings:
        """In fp32 where they are in half or bfloat16."""
        parts = (self.features, self.weight, self.bias)
        return PixelEmbeddings(*(None if part is None else at_least_float32(part) for part in parts))

    @staticmethod
    def _convolve(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(features, weight, bias, padding=weight.shape[-1] // 2)


@dataclass
class PixelFeatures:
    """What a pixel decoder gives (Sec. 3.3, pixel-level module).

    Attributes:
        pixels: per-pixel embeddings at the finest stride.
        memory: (B, C', H/32, W/32), the coarsest map, which the paper's transformer decoder attends to.
        maps: the pixel decoder's own maps below the finest stride, coarsest first (strides 32, 16 and 8 for a backbone
            with four stages); empty for a pixel decoder without them.
    """

    pixels: PixelEmbeddings
    memory: Tensor
    maps: Sequence[Tensor] = ()
