"""MaskFormer without a framework (Sec. 3.3, Fig. 2): backbone features -> N probability-mask pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmmaskformer.errors import UserError
from mmmaskformer.pixels import PixelEmbeddings, PixelFeatures
from mmmaskformer.precision import at_least_float32, without_autocast
from mmmaskformer.registry import MODELS
from mmmaskformer.structures import MaskPredictions, SegmentTargets

from .mask_model import MaskModel
from .memory import Memory
from .pilots import MaskPilots, Pilots
from .transformer import SinePositionalEncoding


@MODELS.register_module()
class MaskTransformer(MaskModel):
    """Pixel decoder, transformer decoder and segmentation module.

    A transformer decoder says what it reads: ``num_scales`` of the pixel decoder's maps, or 0 for the coarsest map of
    the backbone; and with ``learns_queries`` that its queries start from learned features. The model builds both.

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
        pilots: config of mask-piloted training, ``dict(type="mmmaskformer.MaskPilots")``; sizes are filled in. None for
            training without it. It wants a transformer decoder with masked attention.
        class_head, predict_boxes, classify: see :meth:`MaskModel.add_embeddings`.
        init_cfg: as for every module of MMEngine.

    Raises:
        UserError: a size that cannot be, or a transformer decoder that reads more maps than the pixel decoder has.
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
        pilots: dict | None = None,
        class_head: dict | None = None,
        predict_boxes: bool = False,
        classify: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        mask_dim = channels if mask_dim is None else mask_dim
        for name, value in dict(num_classes=num_classes, num_queries=num_queries, channels=channels).items():
            if value < 1:
                raise UserError(f"{type(self).__name__}: {name}={value}, expected at least 1")
        if not in_channels or min(in_channels) < 1:
            raise UserError(
                f"{type(self).__name__}: in_channels={in_channels}, expected the positive channel counts of the "
                "backbone's stages, finest first"
            )
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
        projections = [
            nn.Conv2d(width, channels, 1) if width != channels or enforce_input_projection else nn.Identity()
            for width in self._memory_channels(in_channels)
        ]
        self.input_proj = nn.ModuleList(projections) if self.transformer_decoder.num_scales else projections[0]
        self.query_embed = nn.Embedding(num_queries, channels)
        if self.transformer_decoder.learns_queries:
            self.query_feat = nn.Embedding(num_queries, channels)
        self.pilots = self._pilots(pilots, num_classes, channels)
        pixel_channels = getattr(self.pixel_decoder, "pixel_channels", mask_dim)
        self.add_embeddings(num_classes, channels, mask_dim, pixel_channels, class_head, predict_boxes, classify)

    def _pilots(self, config: dict | None, num_classes: int, channels: int) -> MaskPilots | None:
        if config is None:
            return None
        if not self.transformer_decoder.takes_pilots:
            raise UserError(
                f"pilots: {type(self.transformer_decoder).__name__} has no masked attention, by which pilots are given "
                "their segments: use mmmaskformer.MaskedAttentionDecoder, or leave pilots out"
            )
        return MODELS.build(config, default_args=dict(num_classes=num_classes, channels=channels))

    def _memory_channels(self, in_channels: Sequence[int]) -> Sequence[int]:
        """Channels of each map that the transformer decoder reads."""
        wanted = self.transformer_decoder.num_scales
        if not wanted:
            return [getattr(self.pixel_decoder, "memory_channels", in_channels[-1])]
        available = getattr(self.pixel_decoder, "map_channels", ())
        if len(available) < wanted:
            raise UserError(
                f"{type(self.transformer_decoder).__name__} reads {wanted} maps of the pixel decoder, but "
                f"{type(self.pixel_decoder).__name__} has {len(available)} below its finest stride: set "
                "transformer_decoder.num_scales to at most that, or take a pixel decoder or backbone with more stages"
            )
        return available[:wanted]

    def init_weights(self) -> None:
        super().init_weights()
        for module in self.input_proj.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(
        self,
        features: Sequence[Tensor],
        padding_mask: Tensor | None = None,
        last_only: bool = False,
        targets: SegmentTargets | None = None,
    ) -> MaskPredictions:
        """Predict; see :meth:`MaskModel.forward`.

        With ``targets``, what pilots predict is given beside it, if the model has pilots.
        """
        if targets is None or self.pilots is None:
            return super().forward(features, padding_mask, last_only)
        pixels, memory = self.read(features, padding_mask)
        pilots = self.pilots(targets, [scale.size for scale in memory])
        predictions = self.predictions(*self.decode(pixels, memory, last_only, pilots))
        return predictions.split_pilots(self.num_queries, pilots.matching)

    def embed(
        self, features: Sequence[Tensor], padding_mask: Tensor | None = None, last_only: bool = False
    ) -> tuple[Tensor, Tensor, PixelEmbeddings]:
        """Per-segment embeddings (L, B, Q, C'), mask embeddings (L, B, Q, C) and pixel embeddings."""
        return self.decode(*self.read(features, padding_mask), last_only)

    def read(
        self, features: Sequence[Tensor], padding_mask: Tensor | None = None
    ) -> tuple[PixelEmbeddings, list[Memory]]:
        """Pixel embeddings, and the maps that the transformer decoder reads."""
        if not self.mask_padding:
            padding_mask = None
        found: PixelFeatures = self.pixel_decoder(features, resized_mask(padding_mask, features[-1].shape[-2:]))
        return found.pixels, self.memory(found, padding_mask)

    def decode(
        self, pixels: PixelEmbeddings, memory: Sequence[Memory], last_only: bool = False, pilots: Pilots | None = None
    ) -> tuple[Tensor, Tensor, PixelEmbeddings]:
        """As :meth:`embed`, of what :meth:`read` gives; pilots, if any, stand behind the queries."""
        positions = self.query_embed.weight.expand(memory[0].pixels.shape[0], -1, -1)
        if self.transformer_decoder.learns_queries:
            queries = self.query_feat.weight.expand_as(positions)
        else:
            queries = torch.zeros_like(positions)
        background = self.background_of([scale.size for scale in memory], pixels)
        if pilots is None:
            segments = self.transformer_decoder(queries, positions, memory, background, last_only)
        else:
            segments = self.transformer_decoder(
                torch.cat([queries, pilots.queries], dim=1),
                torch.cat([positions, pilots.positions], dim=1),
                memory,
                pilots.complete(background, self.num_queries),
                last_only,
                pilots.unseen(self.num_queries),
            )
        return segments, self.mask_embed(segments), pixels

    def memory(self, found: PixelFeatures, padding_mask: Tensor | None) -> list[Memory]:
        """Return the maps that the transformer decoder reads, coarsest first; ``padding_mask`` is (B, H, W) or None."""
        scales = self.transformer_decoder.num_scales
        maps = found.maps[:scales] if scales else [found.memory]
        projections = self.input_proj if isinstance(self.input_proj, nn.ModuleList) else [self.input_proj]
        memory = []
        for features, project in zip(maps, projections):
            features = project(features)
            padding = resized_mask(padding_mask, features.shape[-2:])
            memory.append(Memory.from_maps(features, self.positional_encoding(features, padding), padding))
        return memory

    def background_of(
        self, sizes: Sequence[tuple[int, int]], pixels: PixelEmbeddings
    ) -> Callable[[Tensor, int], Tensor]:
        """Return a function (segments (B, Q, C'), scale) -> (B, Q, hw) bool, True where a segment's mask is below 0.5.

        The dot product commutes with resizing, so the pixel embeddings are resized, once per scale, and not the masks.
        """

        @torch.no_grad()
        def background(segments: Tensor, scale: int) -> Tensor:
            coarse = pixels.resized(sizes)[scale].flatten(2)
            embeds = at_least_float32(self.mask_embed(segments))
            # In bf16 a logit near 0 changes its sign.
            with without_autocast(embeds):
                return embeds.bmm(coarse) < 0

        return background


def resized_mask(mask: Tensor | None, size: Sequence[int]) -> Tensor | None:
    """(B, h, w) bool, the nearest of a mask (B, H, W) bool; None for None."""
    return None if mask is None else F.interpolate(mask[:, None].float(), size=tuple(size))[:, 0].bool()
