"""The paper's per-pixel baselines (Sec. 4 "Baseline models"): MaskFormer's modules, per-pixel formulation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmmaskformer.core import MaskTransformer
from mmmaskformer.core.criterion import mean_over_ranks
from mmmaskformer.core.mask_losses import MaskLoss, mask_losses
from mmmaskformer.errors import UserError
from mmmaskformer.precision import at_least_float32
from mmmaskformer.registry import MODELS
from mmmaskformer.structures import SegmentTargets

from .base import SemanticHead
from .scores import LOGIT


class PerPixelHead(SemanticHead):
    """Cross-entropy and scores of per-pixel logits, with mmseg's calling convention.

    A class that mixes this in gives ``layer_logits(features, metas, last_only) -> [(B, K, h, w), ...]``, one a
    supervised layer, and has ``mask_losses``, modules whose losses are added to the cross-entropy.
    """

    score_kind = LOGIT
    mask_losses: Sequence[MaskLoss]

    def layer_logits(
        self, features: Sequence[Tensor], metas: Sequence[dict] | None, last_only: bool
    ) -> Sequence[Tensor]:
        raise NotImplementedError

    def loss(
        self, features: Sequence[Tensor], samples: Sequence[SegDataSample], train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Cross-entropy over the pixels that are not void, after bilinear upsampling to the labels' size.

        With mask losses, those of the classes that are in an image, as of MaskFormer's matched queries, beside it.

        Raises:
            UserError: a label out of range, with its value and file.
        """
        maps, targets = self.semantic_targets(samples)
        layers = self.layer_logits(features, [sample.metainfo for sample in samples], last_only=False)
        losses = {}
        prefixes = [f"d{index}." for index in range(len(layers) - 1)] + [""]
        for prefix, logits in zip(prefixes, layers):
            logits = at_least_float32(logits)
            logits = F.interpolate(logits, size=maps.shape[-2:], mode="bilinear", align_corners=False)
            total = F.cross_entropy(logits, maps, ignore_index=self.ignore_index, reduction="sum")
            # An all-void batch has no pixel to average over; it trains nothing, but stays in the graph.
            losses[f"{prefix}loss_ce"] = total / (maps != self.ignore_index).sum().clamp(min=1)
        if self.mask_losses:
            for loss, values in zip(self.mask_losses, self.class_mask_losses(layers, targets)):
                losses.update({f"{prefix}{loss.loss_name}": value for prefix, value in zip(prefixes, values)})
        return losses

    @torch.compiler.disable  # as the criterion: the number of segments changes with the batch
    def class_mask_losses(self, layers: Sequence[Tensor], targets: SegmentTargets) -> Tensor:
        """Weighted mask losses (losses, L), a mean over the segments, of class logits read as the classes' masks."""
        images = torch.repeat_interleave(torch.tensor(targets.counts)).to(targets.labels.device)
        logits = torch.stack([layer[images, targets.labels] for layer in layers], dim=1)
        values = mask_losses(logits, targets.masks, self.mask_losses).sum(1)
        return values / mean_over_ranks(values.new_tensor([len(targets)])).clamp(min=1)

    def predict(self, features: Sequence[Tensor], metas: Sequence[dict], test_cfg: dict | None = None) -> Tensor:
        """Class logits (B, K, H, W) at padded input size."""
        # Two likely classes are equal in bfloat16.
        logits = at_least_float32(self.layer_logits(features, metas, last_only=True)[-1])
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
        mask_losses: configs of MaskFormer's mask losses, to add to the cross-entropy (an ablation); none by default.
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
        mask_losses: Sequence[dict] = (),
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
        self.mask_losses = nn.ModuleList(map(MODELS.build, mask_losses))  # type: ignore[assignment]

    def init_weights(self) -> None:
        super().init_weights()
        nn.init.kaiming_normal_(self.classifier.weight, mode="fan_out", nonlinearity="relu")
        if self.classifier.bias is not None:
            nn.init.zeros_(self.classifier.bias)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Class logits (B, K, h, w)."""
        return self.classifier(self.pixel_decoder(self.select(features)).pixels.dense())

    def layer_logits(
        self, features: Sequence[Tensor], metas: Sequence[dict] | None, last_only: bool
    ) -> Sequence[Tensor]:
        """Return the one layer there is."""
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
        mask_losses: configs of MaskFormer's mask losses, to add to the cross-entropy (an ablation); none by default.
        **kwargs: see :class:`mmmaskformer.core.MaskTransformer`.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        in_index: Sequence[int] | None = None,
        strides: Sequence[int] = (4, 8, 16, 32),
        ignore_index: int = 255,
        mask_losses: Sequence[dict] = (),
        **kwargs,
    ) -> None:
        if kwargs.pop("num_queries", num_classes) != num_classes:
            raise UserError(f"PerPixelBaselinePlusHead: query i is class i, so num_queries must be {num_classes}")
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, num_queries=num_classes, classify=False, **kwargs
        )
        self.mask_losses = nn.ModuleList(map(MODELS.build, mask_losses))  # type: ignore[assignment]
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
        return torch.einsum("lbqc,bchw->lbqhw", mask_embeds, pixels.dense()).unbind()
