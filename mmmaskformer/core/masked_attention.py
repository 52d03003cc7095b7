"""Mask2Former's transformer decoder (Cheng et al., "Masked-attention Mask Transformer", Sec. 3.2).

Each query attends to the pixels of its own mask as the layer before predicted it, in one of several maps at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmmaskformer.errors import UserError
from mmmaskformer.registry import MODELS

from .memory import Memory
from .numerics import linear_of_pixels
from .transformer import TransformerStack


class MaskedCrossAttention(nn.MultiheadAttention):
    """Cross-attention with one mask per query for all heads; the parameters of ``nn.MultiheadAttention``.

    torch's own forward takes one mask per head or one for the whole batch, so it would repeat each mask H times.

    Keys and values of a map at stride 8 need more memory than the map itself, and each layer has its own. They are
    computed again in the backward pass, which costs about 1 % of a training step.
    """

    def forward(self, queries: Tensor, memory: Tensor, positions: Tensor, level: Tensor, hidden: Tensor) -> Tensor:
        """Attend.

        Args:
            queries: (B, Q, C).
            memory: (B, P, C); with the level added, the values; with positions added too, the keys.
            positions: (B or 1, P, C).
            level: (C,), the same for all pixels of a map.
            hidden: (B, Q, P) bool, True where a query does not see a key; no row may be all True.

        Returns:
            (B, Q, C).
        """
        inputs = (queries, memory, positions, level, hidden)
        if not torch.is_grad_enabled():
            return self._attend(*inputs)
        return checkpoint(self._attend, *inputs, use_reentrant=False, preserve_rng_state=self.dropout > 0)

    def _attend(self, queries: Tensor, memory: Tensor, positions: Tensor, level: Tensor, hidden: Tensor) -> Tensor:
        weights = self.in_proj_weight.chunk(3)
        bias, *_ = self.in_proj_bias.chunk(3)
        # The projection of a sum is the sum of projections, so the level is added to biases and not to pixels.
        _, key_bias, value_bias = F.linear(level, self.in_proj_weight, self.in_proj_bias).chunk(3)
        q = F.linear(queries, weights[0], bias)
        k = linear_of_pixels(memory + positions, weights[1], key_bias)
        v = linear_of_pixels(memory, weights[2], value_bias)
        q, k, v = (x.unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2) for x in (q, k, v))
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=~hidden[:, None], dropout_p=dropout)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class MaskedAttentionLayer(BaseModule):
    """Masked cross-attention, self-attention and feed-forward with the norm after each sum (post-norm)."""

    def __init__(self, channels: int, num_heads: int, feedforward_channels: int, dropout: float) -> None:
        super().__init__()
        self.cross_attn = MaskedCrossAttention(channels, num_heads, dropout, batch_first=True)
        self.self_attn = nn.MultiheadAttention(channels, num_heads, dropout, batch_first=True)
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
        memory: Tensor,
        memory_positions: Tensor,
        level: Tensor,
        hidden: Tensor,
        unseen: Tensor | None = None,
    ) -> Tensor:
        """One layer.

        Args:
            queries: (B, Q, C), what the layers refine.
            query_positions: (B, Q, C).
            memory: (B, hw, C).
            memory_positions: (B or 1, hw, C), added to the keys alone.
            level: (C,), added to keys and values.
            hidden: (B, Q, hw) bool, True where a query does not see a pixel.
            unseen: (Q, Q) bool, True where the query of the row does not see that of the column, or None.

        Returns:
            (B, Q, C).
        """
        attended = self.cross_attn(queries + query_positions, memory, memory_positions, level, hidden)
        queries = self.norm1(queries + self.dropout(attended))
        placed = queries + query_positions
        attended = self.self_attn(placed, placed, queries, attn_mask=unseen, need_weights=False)[0]
        queries = self.norm2(queries + self.dropout(attended))
        updated = self.linear2(self.dropout(F.relu(self.linear1(queries))))
        return self.norm3(queries + self.dropout(updated))


@MODELS.register_module()
class MaskedAttentionDecoder(TransformerStack):
    """Decoder layers that read the pixel decoder's maps in turn, each query within its own mask.

    Layer i reads map i mod ``num_scales``, coarsest first. Predictions are made before the first layer and after each,
    so there is one more of them than layers.

    Args:
        channels: C.
        num_layers: 9 in Mask2Former.
        num_heads: attention heads; must divide ``channels``.
        feedforward_channels: hidden width of the feed-forward network.
        dropout: probability; 0 in Mask2Former.
        num_scales: how many of the pixel decoder's maps are read, coarsest first (strides 32, 16 and 8).

    Raises:
        UserError: a size that cannot be.
    """

    layer_type = MaskedAttentionLayer
    learns_queries = True
    takes_pilots = True

    def __init__(
        self,
        channels: int = 256,
        num_layers: int = 9,
        num_heads: int = 8,
        feedforward_channels: int = 2048,
        dropout: float = 0.0,
        num_scales: int = 3,
    ) -> None:
        super().__init__(channels, num_layers, num_heads, feedforward_channels, dropout)
        if num_scales < 1:
            raise UserError(f"MaskedAttentionDecoder: num_scales={num_scales}, expected at least 1")
        # A map that no layer reads would leave parameters without a gradient.
        self.num_scales = min(num_scales, num_layers)
        self.level_embed = nn.Embedding(self.num_scales, channels)
        self.norm = nn.LayerNorm(channels)

    def init_weights(self) -> None:
        super().init_weights()
        nn.init.normal_(self.level_embed.weight)

    def forward(
        self,
        queries: Tensor,
        query_positions: Tensor,
        memory: Sequence[Memory],
        background: Callable[[Tensor, int], Tensor],
        last_only: bool = False,
        unseen: Tensor | None = None,
    ) -> Tensor:
        """Per-segment embeddings before the first layer and after each.

        Args:
            queries: (B, Q, C), learned features that the queries start from.
            query_positions: (B, Q, C), added to the queries of both attentions and to the keys of self-attention.
            memory: maps, coarsest first.
            background: (segments (B, Q, C), scale) -> (B, Q, hw) bool, True where a segment's mask is below 0.5.
            last_only: give the last layer alone.
            unseen: (Q, Q) bool, True where the query of the row does not see that of the column, or None.

        Returns:
            (L+1, B, Q, C), normed.
        """
        outputs = [self.norm(queries)]
        for index, layer in enumerate(self.layers):
            scale = index % self.num_scales
            image, level = memory[scale], self.level_embed.weight[scale]
            hidden = hidden_pixels(background(outputs[-1], scale), image.padding)
            queries = layer(queries, query_positions, image.pixels, image.positions, level, hidden, unseen)
            outputs.append(self.norm(queries))
        return torch.stack(outputs[-1:] if last_only else outputs)


def hidden_pixels(background: Tensor, padding: Tensor | None) -> Tensor:
    """Return what a query does not see: (B, Q, hw) bool from its mask's background and the padding (B, hw) or None.

    A query whose mask is empty sees all pixels but padding; without any, attention would give NaN.
    """
    if padding is None:
        return background & ~background.all(-1, keepdim=True)
    padding = padding[:, None]
    empty = (background | padding).all(-1, keepdim=True)
    return (background & ~empty) | padding
