"""The reference release's (Detectron2) weights -> a mmseg or mmdet model with our head.

Backbones become mmseg's ``ResNet`` (torchvision's names, as ``ResNetV1c`` for the deeplab stem) and
``SwinTransformer``. Mostly names change; Swin's patch merging also changes the order of its input channels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

# (pattern, replacement) for every key of the release; the first that matches is taken.
HEAD_RULES = [
    (r"sem_seg_head\.pixel_decoder\.(mask_features|input_proj)\.(.+)", r"{head}.pixel_decoder.\1.\2"),
    (r"sem_seg_head\.pixel_decoder\.transformer\.encoder\.(.+)", r"{head}.pixel_decoder.encoder.\1"),
    (r"sem_seg_head\.predictor\.transformer\.decoder\.(.+)", r"{head}.transformer_decoder.\1"),
    (r"sem_seg_head\.predictor\.(query_embed|input_proj|class_embed|mask_embed)\.(.+)", r"{head}.\1.\2"),
    (r"sem_seg_head\.predictor\.(weight|bias)", r"{head}.classifier.\1"),
]
RESNET_RULES = [
    (r"backbone\.stem\.conv1\.weight", r"backbone.conv1.weight"),
    (r"backbone\.stem\.conv1\.norm\.(.+)", r"backbone.bn1.\1"),
    (r"backbone\.res([2-5])\.(\d+)\.shortcut\.weight", r"backbone.layer{stage}.\2.downsample.0.weight"),
    (r"backbone\.res([2-5])\.(\d+)\.shortcut\.norm\.(.+)", r"backbone.layer{stage}.\2.downsample.1.\3"),
    (r"backbone\.res([2-5])\.(\d+)\.conv(\d)\.weight", r"backbone.layer{stage}.\2.conv\3.weight"),
    (r"backbone\.res([2-5])\.(\d+)\.conv(\d)\.norm\.(.+)", r"backbone.layer{stage}.\2.bn\3.\4"),
]
# The deeplab stem is three convolutions; mmseg keeps them in one Sequential (conv, norm, relu) x 3.
DEEPLAB_STEM_RULES = [
    (r"backbone\.stem\.conv([123])\.weight", r"backbone.stem.{first}.weight"),
    (r"backbone\.stem\.conv([123])\.norm\.(.+)", r"backbone.stem.{second}.\2"),
]
SWIN_RULES = [
    (r"backbone\.patch_embed\.proj\.(.+)", r"backbone.patch_embed.projection.\1"),
    (r"backbone\.patch_embed\.norm\.(.+)", r"backbone.patch_embed.norm.\1"),
    (r"backbone\.layers\.(\d)\.blocks\.(\d+)\.attn\.(.+)", r"backbone.stages.\1.blocks.\2.attn.w_msa.\3"),
    (r"backbone\.layers\.(\d)\.blocks\.(\d+)\.mlp\.fc1\.(.+)", r"backbone.stages.\1.blocks.\2.ffn.layers.0.0.\3"),
    (r"backbone\.layers\.(\d)\.blocks\.(\d+)\.mlp\.fc2\.(.+)", r"backbone.stages.\1.blocks.\2.ffn.layers.1.\3"),
    (r"backbone\.layers\.(\d)\.blocks\.(\d+)\.(norm\d\..+)", r"backbone.stages.\1.blocks.\2.\3"),
    (r"backbone\.layers\.(\d)\.downsample\.(.+)", r"backbone.stages.\1.downsample.\2"),
    (r"backbone\.(norm\d\..+)", r"backbone.\1"),
]
# The class weights of the release's criterion: a constant of the config, not a weight.
DROPPED = {"criterion.empty_weight"}


def from_detectron2(state_dict: Mapping[str, Tensor], head: str = "decode_head") -> dict[str, Tensor]:
    """State dict of the release's model under our names.

    Args:
        state_dict: of a semantic, per-pixel or panoptic model of the release.
        head: the head's name, "decode_head" in a mmseg model and "panoptic_head" in a mmdet one.

    Raises:
        KeyError: a key that no rule covers; nothing is dropped in silence.
    """
    deeplab_stem = "backbone.stem.conv3.weight" in state_dict
    rules = HEAD_RULES + (DEEPLAB_STEM_RULES if deeplab_stem else []) + RESNET_RULES + SWIN_RULES
    converted, unknown = {}, []
    for key, value in state_dict.items():
        if key in DROPPED:
            continue
        new_key = _pixel_decoder_key(key, head) or _by_rules(key, rules, head)
        if new_key is None:
            unknown.append(key)
            continue
        if ".downsample.reduction.weight" in key or ".downsample.norm." in key and "layers" in key:
            value = _patch_merging_order(value)
        converted[new_key] = value
    if unknown:
        raise KeyError(f"{len(unknown)} keys are not of a MaskFormer release model, the first: {unknown[:5]}")
    return converted


def _pixel_decoder_key(key: str, head: str) -> str | None:
    """The release counts levels from the finest, 1, to the coarsest; so do we, from 0."""
    match = re.fullmatch(r"sem_seg_head\.pixel_decoder\.(adapter|layer)_(\d)\.(norm\.)?(weight|bias)", key)
    if match is None:
        return None
    kind, level, norm, name = match.groups()
    module = "lateral_convs" if kind == "adapter" else "output_convs"
    return f"{head}.pixel_decoder.{module}.{int(level) - 1}.{'norm' if norm else 'conv'}.{name}"


def _by_rules(key: str, rules: list[tuple[str, str]], head: str) -> str | None:
    for pattern, replacement in rules:
        if match := re.fullmatch(pattern, key):
            index = int(match[1]) if match.groups() and match[1].isdigit() else 0
            new_key = match.expand(replacement)
            return new_key.format(head=head, stage=index - 1, first=3 * (index - 1), second=3 * (index - 1) + 1)
    return None


def _patch_merging_order(value: Tensor) -> Tensor:
    """The release concatenates the 2x2 neighbours' channels; mmseg's ``nn.Unfold`` interleaves them.

    Args:
        value: (..., 4C) weight over the concatenation (top-left, bottom-left, top-right, bottom-right).

    Returns:
        (..., 4C) over channel-major order with neighbours in reading order.
    """
    neighbours = value.unflatten(-1, (4, -1))[..., torch.tensor([0, 2, 1, 3]), :]
    return neighbours.transpose(-1, -2).flatten(-2)
