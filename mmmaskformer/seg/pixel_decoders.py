"""Any mmseg decode head as MaskFormer's pixel decoder (Sec. 3.3: "any per-pixel classification-based model fits")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS as MMSEG_MODELS
from torch import Tensor

from mmmaskformer.errors import UserError
from mmmaskformer.pixels import PixelEmbeddings, PixelFeatures
from mmmaskformer.registry import MODELS


@MODELS.register_module()
class DecodeHeadPixelDecoder(BaseModule):
    """A decode head built with ``num_classes = mask_dim`` yields per-pixel embeddings.

    Args:
        head: config of a mmseg decode head, for instance ``dict(type="UPerHead", pool_scales=(1, 2, 3, 6))``. Its
            inputs, classes and output dropout (0: embeddings are not dropped) are filled in; what it says wins.
        in_channels: channels of the backbone's stages, finest first.
        mask_dim: C, channels of the per-pixel embeddings.
        channels: MaskFormer's width; a head's own ``channels`` defaults to it.
    """

    def __init__(self, head: dict, in_channels: Sequence[int], mask_dim: int = 256, channels: int = 256) -> None:
        super().__init__()
        defaults = dict(num_classes=mask_dim, channels=channels, dropout_ratio=0.0, align_corners=False)
        if "in_index" not in head and "in_channels" not in head:
            defaults.update(_inputs(head, in_channels))
        # The head never computes its own loss; the default would only warn about the number of classes.
        self.head: BaseDecodeHead = MMSEG_MODELS.build({**defaults, **head})
        if self.head.out_channels != mask_dim:
            raise UserError(
                f"DecodeHeadPixelDecoder: {head['type']} gives {self.head.out_channels} channels, but the mask "
                f"embeddings have {mask_dim}: leave num_classes out, or set it to {mask_dim}"
            )

    def forward(self, features: Sequence[Tensor], padding_mask: Tensor | None = None) -> PixelFeatures:
        """Pixel embeddings (B, C, h, w) at the finest stage's size, and the coarsest stage unchanged; no maps."""
        embeds = self.head(list(features))
        size = features[0].shape[-2:]
        if embeds.shape[-2:] != size:
            embeds = F.interpolate(embeds, size=size, mode="bilinear", align_corners=False)
        return PixelFeatures(PixelEmbeddings(embeds), features[-1])


def _inputs(head: dict, in_channels: Sequence[int]) -> dict:
    """Which stages a head reads: all for pyramid heads, the coarsest for single-input ones, and c1 for DeepLabV3+."""
    kind = head["type"].rsplit(".", 1)[-1]
    cls = MMSEG_MODELS.get(head["type"])
    if cls is None:
        raise UserError(f"DecodeHeadPixelDecoder: mmseg has no decode head {head['type']!r}")
    pyramid = {"UPerHead", "FPNHead", "SegformerHead", "LightHamHead"}
    if kind in pyramid:
        return dict(in_channels=list(in_channels), in_index=list(range(len(in_channels))))
    single: dict[str, Any] = dict(in_channels=in_channels[-1], in_index=len(in_channels) - 1)
    if kind == "DepthwiseSeparableASPPHead":
        single.update(c1_in_channels=in_channels[0], c1_channels=48, dilations=(1, 12, 24, 36))
    return single
