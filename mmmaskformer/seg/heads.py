"""MaskFormer as a decode head: works in mmseg's stock EncoderDecoder and in our segmentor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmmaskformer.core import MaskTransformer
from mmmaskformer.core.inference import label_map, semantic_scores
from mmmaskformer.registry import MODELS
from mmmaskformer.structures import MaskPredictions, SegmentTargets

from .base import SemanticHead
from .samples import geometry_of
from .scores import PROBABILITY


@MODELS.register_module()
class MaskFormerHead(SemanticHead, MaskTransformer):
    """The paper's model with mmseg's calling convention.

    Args:
        in_channels: channels of the stages of ``in_index``, finest first.
        num_classes: K.
        in_index: which backbone outputs to read; all by default.
        strides: strides of those outputs.
        criterion: config of the losses, ``mmmaskformer.MaskCriterion`` by default.
        ignore_index: label of void pixels.
        inference: "semantic" or "general" (Sec. 3.4), for label maps.
        order: "scores" or "mask_logits", the test-time order for label maps (see ``core.inference``).
        **kwargs: see :class:`mmmaskformer.core.MaskTransformer`.
    """

    score_kind = PROBABILITY

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        in_index: Sequence[int] | None = None,
        strides: Sequence[int] = (4, 8, 16, 32),
        criterion: dict | None = None,
        ignore_index: int = 255,
        inference: str = "semantic",
        order: str = "scores",
        **kwargs,
    ) -> None:
        super().__init__(in_channels=in_channels, num_classes=num_classes, **kwargs)
        self.read_inputs(in_channels, in_index, strides, ignore_index)
        self.inference = inference
        self.order = order
        self.criterion = MODELS.build(
            {"type": "mmmaskformer.MaskCriterion", **(criterion or {})}, default_args=dict(num_classes=num_classes)
        )

    def forward(
        self,
        features: Sequence[Tensor],
        metas: Sequence[dict] | None = None,
        last_only: bool = False,
        targets: SegmentTargets | None = None,
    ) -> MaskPredictions:
        """Predict from the backbone's outputs; ``metas`` tell the padding where ``mask_padding`` asks for it."""
        return super().forward(self.select(features), self.input_padding(features, metas), last_only, targets)

    def loss(
        self, features: Sequence[Tensor], samples: Sequence[SegDataSample], train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Losses of a padded training batch; see :class:`mmmaskformer.core.MaskCriterion`.

        Raises:
            ValueError: a label out of range (with its value and file).
            FloatingPointError: a non-finite prediction.
        """
        _, targets = self.semantic_targets(samples)
        return self.criterion(self(features, [sample.metainfo for sample in samples], targets=targets), targets)

    def predict(self, features: Sequence[Tensor], metas: Sequence[dict], test_cfg: dict | None = None) -> Tensor:
        """Semantic scores (B, K, H, W) at padded input size, as EncoderDecoder expects them."""
        return semantic_scores(self(features, metas, last_only=True), self.input_size(features, metas))

    @torch.no_grad()
    def predict_labels(
        self, features: Sequence[Tensor], metas: Sequence[dict], input_size: tuple[int, int]
    ) -> list[Tensor]:
        """Label map (H', W') of each image at its original size, without ever holding K x H x W scores."""
        predictions = self(features, metas, last_only=True)
        return [
            label_map(
                predictions, index, geometry_of(meta, input_size), self.order, self.inference, void=self.ignore_index
            )
            for index, meta in enumerate(metas)
        ]
