"""The pixel-level module's decoder (Sec. 3.3; Sec. 4.1 "Pixel decoder"): backbone features -> per-pixel embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule, caffe2_xavier_init
from torch import Tensor, nn

from mmmaskformer.pixels import PixelEmbeddings, PixelFeatures
from mmmaskformer.registry import MODELS


class ConvNormAct(nn.Sequential):
    """Convolution without bias, GroupNorm and, when asked for, ReLU. The activation works in place to save a map."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, groups: int, activate: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm = nn.GroupNorm(groups, out_channels)
        if activate:
            self.activation = nn.ReLU(inplace=True)


@MODELS.register_module()
class FPNPixelDecoder(BaseModule):
    """The paper's light FPN: 2x nearest upsampling, sum with the 1x1-projected stage, 3x3 fusion, down to stride 4.

    The mask-feature convolution is 3x3: the paper's text says 1x1, but the released weights and Table 1's FLOPs have
    3x3.

    Args:
        in_channels: channels of the backbone's stages, finest first.
        channels: width of the decoder, 256 in the paper.
        mask_dim: C, channels of the per-pixel embeddings.
        norm_groups: groups of every GroupNorm; must divide ``channels``.
    """

    def __init__(
        self, in_channels: Sequence[int], channels: int = 256, mask_dim: int = 256, norm_groups: int = 32
    ) -> None:
        super().__init__()
        if norm_groups < 1 or channels < 1 or channels % norm_groups:
            raise ValueError(f"FPNPixelDecoder: norm_groups={norm_groups} must divide channels={channels}")
        if len(in_channels) < 1 or min(in_channels) < 1 or mask_dim < 1:
            raise ValueError(
                f"FPNPixelDecoder: in_channels={list(in_channels)} and mask_dim={mask_dim} must be positive"
            )
        *finer, coarsest = in_channels
        self.in_channels = list(in_channels)
        self.pixel_channels = channels
        self.map_channels = [channels] * len(finer)
        self.lateral_convs = nn.ModuleList(ConvNormAct(c, channels, 1, norm_groups, activate=False) for c in finer)
        self.output_convs = nn.ModuleList(ConvNormAct(channels, channels, 3, norm_groups, activate=True) for _ in finer)
        self.output_convs.append(ConvNormAct(coarsest, channels, 3, norm_groups, activate=True))
        self.mask_features = nn.Conv2d(channels, mask_dim, 3, padding=1)

    def init_weights(self) -> None:
        """Caffe2's Xavier for every convolution, as in the reference release."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                caffe2_xavier_init(module)

    def forward(self, features: Sequence[Tensor], padding_mask: Tensor | None = None) -> PixelFeatures:
        """Per-pixel embeddings and the maps that a transformer decoder may attend to.

        Args:
            features: (B, C_i, H/s_i, W/s_i) per stage, finest first.
            padding_mask: (B, h, w) bool at the coarsest stage; convolutions do not use it.

        Returns:
            pixel embeddings at the finest stride, the coarsest stage unchanged as the memory, and the fused maps. A
            pixel decoder of one's own may leave the maps out.
        """
        *finer, coarsest = features
        return self.fuse(finer, coarsest, memory=coarsest)

    def fuse(self, finer: Sequence[Tensor], coarsest: Tensor, memory: Tensor) -> PixelFeatures:
        """Return the top-down path from the coarsest map to the finest stride's embeddings."""
        maps = [self.output_convs[-1](coarsest)]
        for stage, lateral, output in zip(finer[::-1], self.lateral_convs[::-1], self.output_convs[-2::-1]):
            projected = lateral(stage)
            # The sum's own inputs are not needed for its gradient, so it can take the place of the projection.
            projected += F.interpolate(maps[-1], size=projected.shape[-2:], mode="nearest")
            maps.append(output(projected))
            del projected
        pixels = PixelEmbeddings(maps.pop(), self.mask_features.weight, self.mask_features.bias)
        return PixelFeatures(pixels, memory, maps)


@MODELS.register_module()
class TransformerEncoderPixelDecoder(FPNPixelDecoder):
    """The FPN with a transformer encoder over the coarsest stage ("6 Enc", panoptic models with ResNet, Sec. 4.1).

    The encoder's output starts the top-down path and is the memory that the transformer decoder attends to.

    Args:
        in_channels: channels of the backbone's stages, finest first.
        channels: width of decoder and encoder.
        mask_dim: C, channels of the per-pixel embeddings.
        norm_groups: groups of every GroupNorm; must divide ``channels``.
        encoder: config of the encoder; ``channels`` is filled in.
        positional_encoding: config of its positions; ``channels`` is filled in.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 256,
        mask_dim: int = 256,
        norm_groups: int = 32,
        encoder: dict | None = None,
        positional_encoding: dict | None = None,
    ) -> None:
        super().__init__([*in_channels[:-1], channels], channels, mask_dim, norm_groups)
        self.in_channels = list(in_channels)
        self.memory_channels = channels
        self.input_proj = nn.Conv2d(in_channels[-1], channels, 1)
        self.encoder = MODELS.build(
            {"type": "mmmaskformer.TransformerEncoder", **(encoder or {})}, default_args=dict(channels=channels)
        )
        self.positional_encoding = MODELS.build(
            {"type": "mmmaskformer.SinePositionalEncoding", **(positional_encoding or {})},
            default_args=dict(channels=channels),
        )

    def init_weights(self) -> None:
        super().init_weights()
        self.encoder.init_weights()

    def forward(self, features: Sequence[Tensor], padding_mask: Tensor | None = None) -> PixelFeatures:
        """As the FPN's; ``padding_mask`` hides padding from the encoder, whose output (B, C, h, w) is the memory."""
        *finer, coarsest = features
        projected = self.input_proj(coarsest)
        memory = self.encoder(projected, self.positional_encoding(projected, padding_mask), padding_mask)
        return self.fuse(finer, memory, memory)
