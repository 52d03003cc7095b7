"""The pixel-level module's decoder (Sec. 3.3; Sec. 4.1 "Pixel decoder"): backbone features -> per-pixel embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, caffe2_xavier_init
from torch import Tensor, nn

from mmmaskformer.errors import UserError
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
            raise UserError(f"FPNPixelDecoder: norm_groups={norm_groups} must divide channels={channels}")
        if len(in_channels) < 1 or min(in_channels) < 1 or mask_dim < 1:
            raise UserError(
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
        maps = [self.placed(self.output_convs[-1](coarsest), level=len(finer))]
        for level in range(len(finer) - 1, -1, -1):
            projected = self.lateral_convs[level](finer[level])
            # The sum's own inputs are not needed for its gradient, so it can take the place of the projection.
            projected += F.interpolate(maps[-1], size=projected.shape[-2:], mode="nearest")
            maps.append(self.placed(self.output_convs[level](projected), level))
            del projected
        pixels = PixelEmbeddings(maps.pop(), self.mask_features.weight, self.mask_features.bias)
        return PixelFeatures(pixels, memory, maps)

    def placed(self, features: Tensor, level: int) -> Tensor:
        """Return a fused map (B, C, h, w) of a level, 0 the finest, with what a subclass adds to it."""
        return features


@MODELS.register_module()
class PositionedPixelDecoder(FPNPixelDecoder):
    """The FPN with each pixel's place in the image added to its maps and to the per-pixel embeddings.

    A convolution sees the same in two people who look alike, so without places one mask embedding fits both. Places
    are sines and cosines of the row and of the column, which a learned 1x1 convolution of each level projects to the
    map's width. A sum of such waves is large around one place and small around others, so a mask can be "a person,
    there" after few iterations.

    Args:
        in_channels: channels of the backbone's stages, finest first.
        channels: width of the decoder.
        mask_dim: C, channels of the per-pixel embeddings.
        norm_groups: groups of every GroupNorm; must divide ``channels``.
        cycles: of each wave, how often it runs over the height and over the width of the image, in rising order. Each
            level takes one less than the next finer one: a coarse map cannot show a short wave.

    Raises:
        UserError: sizes or waves that cannot be.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 256,
        mask_dim: int = 256,
        norm_groups: int = 32,
        cycles: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0),
    ) -> None:
        super().__init__(in_channels, channels, mask_dim, norm_groups)
        cycles, levels = list(cycles), len(self.in_channels)
        if len(cycles) < levels or sorted(set(cycles)) != cycles or cycles[0] <= 0:
            raise UserError(
                f"PositionedPixelDecoder: cycles={cycles}, expected rising positive numbers, at least as many as the "
                f"backbone's stages ({levels})"
            )
        self.cycles = [cycles[: len(cycles) - level] for level in range(levels)]
        self.position_convs = nn.ModuleList(nn.Conv2d(4 * len(own), channels, 1, bias=False) for own in self.cycles)

    def placed(self, features: Tensor, level: int) -> Tensor:
        """Return the map plus its projected places."""
        return features + self.position_convs[level](waves(features, self.cycles[level]))


def waves(features: Tensor, cycles: Sequence[float]) -> Tensor:
    """Sines and cosines (1, 4 * len(cycles), h, w) of the places of a map's pixels (B, C, h, w).

    Places run from 0 to 1 between the borders of the map, so that they agree between maps of different strides.
    """
    height, width = features.shape[-2:]
    turns = 2 * math.pi * features.new_tensor(cycles)[:, None]
    encoded = []
    for size, shape in ((height, (-1, height, 1)), (width, (-1, 1, width))):
        angles = turns * ((torch.arange(size, device=features.device) + 0.5) / size)
        encoded += [part.view(shape).expand(-1, height, width) for part in (angles.sin(), angles.cos())]
    return torch.cat(encoded)[None]


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
