"""DETR's transformer encoder and decoder and sine positions (Sec. 3.3 transformer module, Sec. 4.1).

Attention goes through ``nn.MultiheadAttention`` without weights asked for, which is torch's
``scaled_dot_product_attention``; parameter names are then torch's own, and those of the reference release.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmmaskformer.errors import UserError
from mmmaskformer.registry import MODELS

from .memory import Memory


@MODELS.register_module()
class SinePositionalEncoding(BaseModule):
    """Sine and cosine positions of a feature map, DETR's with normalized coordinates.

    Args:
        channels: C, a multiple of 4; the first half encodes rows, the second columns.
        temperature: base of the geometric series of wavelengths.
    """

    def __init__(self, channels: int = 256, temperature: float = 10000.0) -> None:
        super().__init__()
        if channels <= 0 or channels % 4:
            raise UserError(f"SinePositionalEncoding: channels={channels}, expected a positive multiple of 4")
        self.channels = channels
        self.temperature = temperature

    def forward(self, features: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Positions for ``features``.

        Args:
            features: (B, C', h, w); only size, device and dtype are read.
            padding_mask: (B, h, w) bool, True on padding. With it positions run over the valid area alone; without it
                over the whole map, as in the reference release.

        Returns:
            (B, C, h, w), or (1, C, h, w) without a mask.
        """
        height, width = features.shape[-2:]
        dtype = torch.promote_types(features.dtype, torch.float32)
        if padding_mask is None:
            # One column and one row tell the whole map.
            rows, columns = (torch.ones(1, n, device=features.device, dtype=dtype).cumsum(1) for n in (height, width))
            rows, columns = rows[:, :, None], columns[:, None]
        else:
            valid = (~padding_mask).to(dtype)
            rows, columns = valid.cumsum(1), valid.cumsum(2)
        rows = rows / (rows[:, -1:] + 1e-6) * (2 * math.pi)
        columns = columns / (columns[:, :, -1:] + 1e-6) * (2 * math.pi)

        half = self.channels // 2
        index = torch.arange(half, device=features.device, dtype=dtype)
        wavelengths = self.temperature ** (2 * torch.div(index, 2, rounding_mode="floor") / half)
        encoded = []
        for coordinate in (rows, columns):
            angles = coordinate[..., None] / wavelengths
            waves = torch.stack((angles[..., 0::2].sin(), angles[..., 1::2].cos()), dim=-1).flatten(-2)
            encoded.append(waves.expand(-1, height, width, -1))
        return torch.cat(encoded, dim=-1).permute(0, 3, 1, 2).to(features.dtype)


class TransformerDecoderLayer(BaseModule):
    """Self-attention, cross-attention and feed-forward with the norm after each sum (DETR, post-norm)."""

    def __init__(self, channels: int, num_heads: int, feedforward_channels: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(channels, num_heads, dropout, batch_first=True)
        self.multihead_attn = nn.MultiheadAttention(channels, num_heads, dropout, batch_first=True)
        self.linear1 = nn.Linear(channels, feedforward_channels)
        self.linear2 = nn.Linear(feedforward_channels, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.norm3 = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        queries: Tensor,
        query_positions: Tensor,
        keys: Tensor,
        memory: Tensor,
        key_padding_mask: Tensor | None,
    ) -> Tensor:
        """One layer.

        Args:
            queries: (B, Q, C), what the layers refine.
            query_positions: (B, Q, C), the learned positional embedding of each query.
            keys: (B, hw, C), the memory with its positions added.
            memory: (B, hw, C), image features.
            key_padding_mask: (B, hw) bool, True where a key is padding, or None.

        Returns:
            (B, Q, C).
        """
        placed = queries + query_positions
        attended = self.self_attn(placed, placed, queries, need_weights=False)[0]
        queries = self.norm1(queries + self.dropout(attended))
        attended = self.multihead_attn(
            queries + query_positions, keys, memory, key_padding_mask=key_padding_mask, need_weights=False
        )[0]
        queries = self.norm2(queries + self.dropout(attended))
        hidden = self.linear2(self.dropout(F.relu(self.linear1(queries))))
        return self.norm3(queries + self.dropout(hidden))


class TransformerEncoderLayer(BaseModule):
    """Self-attention over the pixels of a feature map and feed-forward with the norm after each sum (post-norm)."""

    def __init__(self, channels: int, num_heads: int, feedforward_channels: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(channels, num_heads, dropout, batch_first=True)
        self.linear1 = nn.Linear(channels, feedforward_channels)
        self.linear2 = nn.Linear(feedforward_channels, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, pixels: Tensor, positions: Tensor, key_padding_mask: Tensor | None) -> Tensor:
        """(B, hw, C) pixels and (B or 1, hw, C) positions -> (B, hw, C)."""
        placed = pixels + positions
        attended = self.self_attn(placed, placed, pixels, key_padding_mask=key_padding_mask, need_weights=False)[0]
        pixels = self.norm1(pixels + self.dropout(attended))
        hidden = self.linear2(self.dropout(F.relu(self.linear1(pixels))))
        return self.norm2(pixels + self.dropout(hidden))


class TransformerStack(BaseModule):
    """Layers of one kind.

    Args:
        channels: C.
        num_layers: L, 6 in the paper.
        num_heads: attention heads; must divide ``channels``.
        feedforward_channels: hidden width of the feed-forward network.
        dropout: probability, in attention and after each block.

    Raises:
        UserError: a size that cannot be.
    """

    layer_type: type[nn.Module]

    def __init__(
        self,
        channels: int = 256,
        num_layers: int = 6,
        num_heads: int = 8,
        feedforward_channels: int = 2048,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if num_layers < 1:
            raise UserError(f"{name}: num_layers={num_layers}, expected at least 1")
        if num_heads < 1 or channels % num_heads:
            raise UserError(f"{name}: num_heads={num_heads} must divide channels={channels}")
        if feedforward_channels < 1:
            raise UserError(f"{name}: feedforward_channels={feedforward_channels}, expected at least 1")
        self.layers = nn.ModuleList(
            self.layer_type(channels, num_heads, feedforward_channels, dropout) for _ in range(num_layers)
        )

    def init_weights(self) -> None:
        """Xavier-uniform for every matrix, as in DETR."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)


@MODELS.register_module()
class TransformerEncoder(TransformerStack):
    """Stack of DETR encoder layers over a feature map ("6 Enc" of the paper's panoptic models)."""

    layer_type = TransformerEncoderLayer

    def forward(self, features: Tensor, positions: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Encode.

        Args:
            features: (B, C, h, w).
            positions: (B or 1, C, h, w).
            padding_mask: (B, h, w) bool, True on padding, which no pixel then attends to; or None.

        Returns:
            (B, C, h, w).
        """
        pixels = features.flatten(2).transpose(1, 2)
        positions = positions.flatten(2).transpose(1, 2)
        hidden = None if padding_mask is None else padding_mask.flatten(1)
        for layer in self.layers:
            pixels = layer(pixels, positions, hidden)
        return pixels.transpose(1, 2).reshape(features.shape)


@MODELS.register_module()
class TransformerDecoder(TransformerStack):
    """Stack of DETR decoder layers that gives every layer's normed output (Sec. 4.1: loss after each decoder).

    Args:
        channels: C.
        *args: as for :class:`TransformerStack`, of which they are the rest.
        **kwargs: likewise.
    """

    layer_type = TransformerDecoderLayer
    num_scales = 0  # reads the coarsest map of the backbone, or of the pixel decoder's encoder
    learns_queries = False  # queries start as zeros (Sec. 4.1)
    takes_pilots = False  # attention is not masked

    def __init__(self, channels: int = 256, *args, **kwargs) -> None:
        super().__init__(channels, *args, **kwargs)
        self.norm = nn.LayerNorm(channels)

    def forward(
        self,
        queries: Tensor,
        query_positions: Tensor,
        memory: Sequence[Memory],
        background: Callable[[Tensor, int], Tensor] | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """Per-segment embeddings of every layer.

        Args:
            queries: (B, Q, C), where the queries start.
            query_positions: (B, Q, C), added to the queries of each attention.
            memory: the one map that is attended to.
            background: not used by this decoder.
            last_only: give the last layer alone.

        Returns:
            (L, B, Q, C).
        """
        (image,) = memory
        keys = image.pixels + image.positions
        outputs = []
        for layer in self.layers:
            queries = layer(queries, query_positions, keys, image.pixels, image.padding)
            outputs.append(queries)
        return torch.stack([self.norm(output) for output in (outputs[-1:] if last_only else outputs)])
