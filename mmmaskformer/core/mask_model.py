"""The segmentation module (Sec. 3.3, Fig. 2): class, mask and box embeddings over per-segment embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmmaskformer.pixels import PixelEmbeddings
from mmmaskformer.registry import MODELS
from mmmaskformer.structures import MaskPredictions


class MLP(nn.Module):
    """Linear layers with ReLU between them (the mask head, Sec. 4.1 "Segmentation module")."""

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int, num_layers: int) -> None:
        super().__init__()
        widths = [in_channels] + [hidden_channels] * (num_layers - 1) + [out_channels]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class MaskModel(BaseModule):
    """Per-segment embeddings -> probability-mask pairs.

    Subclasses implement :meth:`embed` and call :meth:`add_embeddings` last in their constructor: optimizers number
    parameters by the order in which they were made.
    """

    box_embed: MLP | None

    def add_embeddings(
        self,
        num_classes: int,
        channels: int,
        mask_dim: int,
        pixel_channels: int,
        class_head: dict | None = None,
        predict_boxes: bool = False,
        classify: bool = True,
    ) -> None:
        """Build the heads on the per-segment embeddings.

        Args:
            num_classes: K.
            channels: C', width of the per-segment embeddings.
            mask_dim: C of mask and pixel embeddings.
            pixel_channels: channels of the features that the pixel embeddings are made of.
            class_head: config of the class head, ``mmmaskformer.LinearClassHead`` by default; sizes are filled in.
            predict_boxes: build DETR's box head too (Table 5: matching by box), normalized (cx, cy, w, h) per query.
            classify: build the class head; the per-pixel baselines have none.
        """
        self.num_classes = num_classes
        if classify:
            self.class_embed = MODELS.build(
                {"type": "mmmaskformer.LinearClassHead", **(class_head or {})},
                default_args=dict(channels=channels, num_classes=num_classes, pixel_channels=pixel_channels),
            )
        self.mask_embed = MLP(channels, channels, mask_dim, num_layers=3)
        self.box_embed = MLP(channels, channels, 4, num_layers=3) if predict_boxes else None

    def embed(
        self, features: Sequence[Tensor], padding_mask: Tensor | None = None, last_only: bool = False
    ) -> tuple[Tensor, Tensor, PixelEmbeddings]:
        """Per-segment embeddings (L, B, Q, C'), mask embeddings (L, B, Q, C) and pixel embeddings."""
        raise NotImplementedError

    def forward(
        self, features: Sequence[Tensor], padding_mask: Tensor | None = None, last_only: bool = False
    ) -> MaskPredictions:
        """Predict.

        Args:
            features: (B, C_i, H/s_i, W/s_i) per stage, finest first.
            padding_mask: (B, H, W) bool, True on padding; read only by models that hide padding.
            last_only: give the last layer alone (L = 1), which is all that inference reads.
        """
        return self.predictions(*self.embed(features, padding_mask, last_only))

    def predictions(self, segments: Tensor, mask_embeds: Tensor, pixels: PixelEmbeddings) -> MaskPredictions:
        """Predictions of what :meth:`embed` gives."""
        boxes = None if self.box_embed is None else self.box_embed(segments).sigmoid()
        class_logits = self.class_embed(segments, mask_embeds, pixels)
        pixels.forget_resized()
        return MaskPredictions(class_logits, mask_embeds, pixels, boxes)
