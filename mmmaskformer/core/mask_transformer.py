"""MaskFormer without a framework (Sec. 3.3, Fig. 2): backbone features -> N probability-mask pairs."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmmaskformer.registry import MODELS
from mmmaskformer.structures import MaskPredictions, PixelEmbeddings

from .transformer import SinePositionalEncoding


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


@MODELS.register_module()
class MaskTransformer(BaseModule):
    """Pixel decoder, transformer decoder and segmentation module.

    Args:
        in_channels: channels of the backbone's stages, finest first.
        num_classes: K.
        num_queries: Q.
        channels: width of decoder and transformer, 256 in the paper.
        mask_dim: C of mask and pixel embeddings; ``channels`` by default.
        pixel_decoder: config of the pixel decoder; ``in_channels``, ``channels`` and ``mask_dim`` are filled in.
        transformer_decoder: config of the transformer decoder; ``channels`` is filled in.
        positional_encoding: config of the memory's positions; ``channels`` is filled in.
        enforce_input_projection: project the memory with a 1x1 convolution even where its width already fits.
        mask_padding: hide padding from the decoder's attention and run positions over the valid area, as mmdet does.
            Off as in the reference release, whose weights expect it off.
        predict_boxes: build DETR's box head too (Table 5: matching by box), normalised (cx, cy, w, h) of each query.
        classify: build the class head; the per-pixel baselines have none.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        num_queries: int = 100,
        channels: int = 256,
        mask_dim: int | None = None,
        pixel_decoder: dict | None = None,
        transformer_decoder: dict | None = None,
        positional_encoding: dict | None = None,
        enforce_input_projection: bool = False,
        mask_padding: bool = False,
        predict_boxes: bool = False,
        classify: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        mask_dim = channels if mask_dim is None else mask_dim
        for name, value in dict(num_classes=num_classes, num_queries=num_queries, channels=channels).items():
            if value < 1:
                raise ValueError(f"{type(self).__name__}: {name}={value}, expected at least 1")
        if not in_channels or min(in_channels) < 1:
            raise ValueError(
                f"{type(self).__name__}: in_channels={in_channels}, expected the positive channel counts of the "
                "backbone's stages, finest first"
            )
        self.num_classes = num_classes
        self.num_queries = num_queries
        self.mask_padding = mask_padding
        self.pixel_decoder = MODELS.build(
            {"type": "mmmaskformer.FPNPixelDecoder", **(pixel_decoder or {})},
            default_args=dict(in_channels=in_channels, channels=channels, mask_dim=mask_dim),
        )
        self.transformer_decoder = MODELS.build(
            {"type": "mmmaskformer.TransformerDecoder", **(transformer_decoder or {})},
            default_args=dict(channels=channels),
        )
        self.positional_encoding: SinePositionalEncoding = MODELS.build(
            {"type": "mmmaskformer.SinePositionalEncoding", **(positional_encoding or {})},
            default_args=dict(channels=channels),
        )
        memory_channels = getattr(self.pixel_decoder, "memory_channels", in_channels[-1])
        if memory_channels != channels or enforce_input_projection:
            self.input_proj = nn.Conv2d(memory_channels, channels, 1)
        else:
            self.input_proj = nn.Identity()
        self.query_embed = nn.Embedding(num_queries, channels)
        if classify:
            self.class_embed = nn.Linear(channels, num_classes + 1)
        self.mask_embed = MLP(channels, channels, mask_dim, num_layers=3)
        self.box_embed = MLP(channels, channels, 4, num_layers=3) if predict_boxes else None

    def init_weights(self) -> None:
        super().init_weights()
        if isinstance(self.input_proj, nn.Conv2d):
            nn.init.kaiming_uniform_(self.input_proj.weight, a=1)
            nn.init.zeros_(self.input_proj.bias)

    def embed(
        self, features: Sequence[Tensor], padding_mask: Tensor | None = None, last_only: bool = False
    ) -> tuple[Tensor, Tensor, Tensor | PixelEmbeddings]:
        """Per-segment embeddings (L, B, Q, C'), mask embeddings (L, B, Q, C) and pixel embeddings."""
        if not self.mask_padding:
            padding_mask = None
        if padding_mask is not None:
            padding_mask = F.interpolate(padding_mask[:, None].float(), size=features[-1].shape[-2:])[:, 0].bool()
        pixels, memory = self.pixel_decoder(features, padding_mask)
        memory = self.input_proj(memory)
        positions = self.positional_encoding(memory, padding_mask)
        segments = self.transformer_decoder(
            self.query_embed.weight.expand(memory.shape[0], -1, -1),
            memory.flatten(2).transpose(1, 2),
            positions.flatten(2).transpose(1, 2),
            None if padding_mask is None else padding_mask.flatten(1),
        )
        if last_only:
            segments = segments[-1:]
        return segments, self.mask_embed(segments), pixels

    def forward(
        self, features: Sequence[Tensor], padding_mask: Tensor | None = None, last_only: bool = False
    ) -> MaskPredictions:
        """Predict.

        Args:
            features: (B, C_i, H/s_i, W/s_i) for each stage, finest first.
            padding_mask: (B, H, W) bool, True on padding; read only with ``mask_padding``.
            last_only: give the last layer alone (L = 1), which is all that inference reads.
        """
        segments, mask_embeds, pixels = self.embed(features, padding_mask, last_only)
        boxes = None if self.box_embed is None else self.box_embed(segments).sigmoid()
        return MaskPredictions(self.class_embed(segments), mask_embeds, pixels, boxes)
