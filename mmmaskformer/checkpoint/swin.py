"""What the formats share about backbones: the original Swin's names beside mmseg's, and its patch merging."""

from __future__ import annotations

import torch
from torch import Tensor

from .keymap import Reorder, Rule


def _merging_to_ours(value: Tensor) -> Tensor:
    # (top-left, bottom-left, top-right, bottom-right) -> reading order, and channels outermost.
    return value.unflatten(-1, (4, -1))[..., [0, 2, 1, 3], :].transpose(-1, -2).flatten(-2)


def _merging_to_theirs(value: Tensor) -> Tensor:
    return value.unflatten(-1, (-1, 4)).transpose(-1, -2)[..., [0, 2, 1, 3], :].flatten(-2)


# Everybody else concatenates the channels of the 2x2 neighbors; mmseg's ``nn.Unfold`` interleaves them.
PATCH_MERGING = Reorder("2x2 neighbors interleaved", _merging_to_ours, _merging_to_theirs)

# The release's Swin, which has the names of the original one; output norms are of segmentation models alone.
SWIN = [
    Rule("patch_embed.proj.{name}", "patch_embed.projection.{name}"),
    Rule("patch_embed.norm.{name}", "patch_embed.norm.{name}"),
    Rule("layers.{i}.blocks.{j}.attn.{name}", "stages.{i}.blocks.{j}.attn.w_msa.{name}"),
    Rule("layers.{i}.blocks.{j}.mlp.fc1.{name}", "stages.{i}.blocks.{j}.ffn.layers.0.0.{name}"),
    Rule("layers.{i}.blocks.{j}.mlp.fc2.{name}", "stages.{i}.blocks.{j}.ffn.layers.1.{name}"),
    Rule("layers.{i}.blocks.{j}.norm{k}.{name}", "stages.{i}.blocks.{j}.norm{k}.{name}"),
    Rule("layers.{i}.downsample.norm.{name}", "stages.{i}.downsample.norm.{name}", PATCH_MERGING),
    Rule("layers.{i}.downsample.reduction.{name}", "stages.{i}.downsample.reduction.{name}", PATCH_MERGING),
    Rule("norm{i}.{name}", "norm{i}.{name}"),
]


def under(prefix: str, rules: list[Rule], ours: str = "backbone.") -> list[Rule]:
    """Return the rules of a backbone inside a whole model."""
    return [Rule(prefix + rule.theirs, ours + rule.ours, rule.reorder) for rule in rules]


def relative_position_index(window: int) -> Tensor:
    """(w*w, w*w) int64: the row of Swin's bias table for each pair of pixels in a window."""
    rows, columns = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    rows, columns = (x.flatten()[:, None] - x.flatten() + window - 1 for x in (rows, columns))
    return rows * (2 * window - 1) + columns
