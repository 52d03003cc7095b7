"""The paper's per-pixel baselines (Sec. 4 "Baseline models"): MaskFormer's modules, per-pixel formulation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmmaskformer.core import MaskTransformer
from mmmaskformer.registry import MODELS
from mmmaskformer.structures import dense_pixels

from .base import SemanticHead


class PerPixelHead(SemanticHead):
    """Cross-entropy and scores of per-pixel logits, with mmseg's calling convention.

    A class that mixes this in gives ``layer_logits(features, metas, last_only) -> [(B, K, h, w), ...]``, one a
    supervised layer.
    """

    def layer_logits(
        self, features: Sequence[Tensor], metas: Sequence[dict] | None, last_only: bool
    ) -> Sequence[Tensor]:
        raise NotImplementedError

    def loss(
        self, features: Sequence[Tensor], samples: Sequence[SegDataSample], train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Cross-entropy over the pixels that are not void, after bilinear upsampling to the labels' size.

        Raises:
            ValueError: a label out of range, with its value and file.
        """
        # Targets are the maps themselves; the segments are made for the check and its message.
        maps, _ = self.semantic_targets(samples)
        layers = self.layer_logits(features, [sample.metainfo for sample in samples], last_only=False)
        losses = {}
        for index, logits in enumerate(layers):
            logits = F.interpolate(logits.float(), size=maps.shape[-2:], mode="bilinear", align_corners=False)
            name = "loss_ce" if index == len(layers) - 1 else f"d{index}.loss_ce"
            total = F.cross_entropy(logits, maps, ignore_index=self.ignore_index, reduction="sum")
            # An all-void batch has no pixel to average over; it trains nothing, but stays in the graph.
            losses[name] = total / (maps != self.ignore_index).sum().clamp(min=1)
        return losses

    def predict(self, features: Sequence[Tensor], metas: Sequence[dict], test_cfg: dict | None = None) -> Tensor:
        """Class logits (B, K, H, W) at padded input size."""
        logits = self.layer_logits(features, metas, last_only=True)[-1]
        return F.interpolate(logits, size=self.input_size(features, metas), mode="bilinear", align_corners=False)


@MODELS.register_module()
class PerPixelBaselineHead(PerPixelHead, BaseModule):
    """PerPixelBaseline: the pixel decoder and a 1x1 convolution to class logits.

    Args:
        in_channels: channels of the stages of ``in_index``, finest first.
        num_classes: K.
        channels: width of the pixel decoder and of the per-pixel embeddings.
        pixel_decoder: config of the pixel decoder; ``in_channels``, ``channels`` and ``mask_dim`` are filled in.
        in_index: which backbone outputs to read; all by default.
        strides: strides of those outputs.
        ignore_index: label of void pixels.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        channels: int = 256,
        pixel_decoder: dict | None = None,
        in_index: Sequence[int] | None = None,
        strides: Sequence[int] = (4, 8, 16, 32),
        ignore_index: int = 255,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.num_classes = num_classes
        self.read_inputs(in_channels, in_index, strides, ignore_index)
        self.pixel_decoder = MODELS.build(
            {"type": "mmmaskformer.FPNPixelDecoder", **(pixel_decoder or {})},
            default_args=dict(in_channels=in_channels, channels=channels, mask_dim=channels),
        )
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def init_weights(self) -> None:
        super().init_weights()
        nn.init.kaiming_normal_(self.classifier.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Class logits (B, K, h, w)."""
        pixels, _ = self.pixel_decoder(self.select(features))
        return self.classifier(dense_pixels(pixels))

    def layer_logits(
        self, features: Sequence[Tensor], metas: Sequence[dict] | None, last_only: bool
    ) -> Sequence[Tensor]:
        """The one layer there is."""
        return [self(features)]


@MODELS.register_module()
class PerPixelBaselinePlusHead(PerPixelHead, MaskTransformer):
    """PerPixelBaseline+: N = K queries whose masks are the class logits, cross-entropy after every decoder layer.

    Args:
        in_channels: channels of the stages of ``in_index``, finest first.
        num_classes: K, and the number of queries.
        in_index: which backbone outputs to read; all by default.
        strides: strides of those outputs.
        ignore_index: label of void pixels.
        **kwargs: see :class:`mmmaskformer.core.MaskTransformer`.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        in_index: Sequence[int] | None = None,
        strides: Sequence[int] = (4, 8, 16, 32),
        ignore_index: int = 255,
        **kwargs,
    ) -> None:
        if kwargs.pop("num_queries", num_classes) != num_classes:
            raise ValueError(f"PerPixelBaselinePlusHead: query i is class i, so num_queries must be {num_classes}")
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, num_queries=num_classes, classify=False, **kwargs
        )
        self.read_inputs(in_channels, in_index, strides, ignore_index)

    def forward(self, features: Sequence[Tensor], metas: Sequence[dict] | None = None) -> Tensor:
        """Class logits (B, K, h, w) of the last layer."""
        return self.layer_logits(features, metas, last_only=True)[-1]

    def layer_logits(
        self, features: Sequence[Tensor], metas: Sequence[dict] | None, last_only: bool
    ) -> Sequence[Tensor]:
        """Class logits of every decoder layer, or of the last."""
        padding = self.input_padding(features, metas)
        _, mask_embeds, pixels = self.embed(self.select(features), padding, last_only)
        return torch.einsum("lbqc,bchw->lbqhw", mask_embeds, dense_pixels(pixels)).unbind()
