"""Class heads: per-segment embeddings -> class logits (Sec. 3.3 "Segmentation module")."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmmaskformer.pixels import PixelEmbeddings, size_of
from mmmaskformer.precision import at_least_float32, without_autocast
from mmmaskformer.registry import MODELS


@MODELS.register_module()
class LinearClassHead(nn.Linear):
    """The paper's class head: a linear layer on each per-segment embedding.

    Args:
        channels: C', width of the per-segment embeddings.
        num_classes: K.
        pixel_channels: not used by this head.
    """

    def __init__(self, channels: int, num_classes: int, pixel_channels: int | None = None) -> None:
        super().__init__(channels, num_classes + 1)

    def forward(self, segments: Tensor, mask_embeds: Tensor, pixels: PixelEmbeddings) -> Tensor:
        """Class logits (L, B, Q, K+1) of segments (L, B, Q, C')."""
        return super().forward(segments)


@MODELS.register_module()
class PooledClassHead(nn.Linear):
    """Classifies a query by its embedding and by the pixels under its own mask.

    ``class_embed(segment + pool(mean of the pixel decoder's features under the mask))``. A query sees the image only
    through attention, so it learns late what its segment is called; the pixels under its mask tell from the first
    iterations on. The mean is weighted by the mask's probabilities, at half of the masks' resolution. Gradients reach
    the features, not the mask.

    Args:
        channels: C', width of the per-segment embeddings.
        num_classes: K.
        pixel_channels: channels of the pixel decoder's features.
    """

    def __init__(self, channels: int, num_classes: int, pixel_channels: int) -> None:
        super().__init__(channels, num_classes + 1)
        self.pool = nn.Linear(pixel_channels, channels)

    def forward(self, segments: Tensor, mask_embeds: Tensor, pixels: PixelEmbeddings) -> Tensor:
        """Class logits (L, B, Q, K+1) of segments (L, B, Q, C') with mask embeddings (L, B, Q, C)."""
        return super().forward(segments + self.pool(pooled_features(mask_embeds, pixels)))


def pooled_features(mask_embeds: Tensor, pixels: PixelEmbeddings) -> Tensor:
    """Mean (L, B, Q, C') of the pixel decoder's features under the masks of mask embeddings (L, B, Q, C)."""
    # A mean over 2x2 pixels: what the features' sum under a mask of half the resolution needs.
    features = F.avg_pool2d(pixels.features, 2, ceil_mode=True, count_include_pad=False)
    layers, batch, queries = mask_embeds.shape[:3]
    with torch.no_grad(), without_autocast(mask_embeds):
        embeds = at_least_float32(mask_embeds).transpose(0, 1).flatten(1, 2)
        (coarse,) = pixels.resized([size_of(features)])
        weights = embeds.bmm(coarse.flatten(2)).sigmoid_()
        weights /= weights.sum(-1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)
    return weights.to(features.dtype).bmm(features.flatten(2).mT).unflatten(1, (layers, queries)).transpose(0, 1)
