"""mmseg's and mmdet's own MaskFormerHead <-> our heads: only names change, and backbones have the same names.

mmdet's goes by ``prefix="panoptic_head."``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from .keymap import Conversion, KeyMap, Rule

OWNER = "mmseg's or mmdet's MaskFormerHead"
# Theirs, ours; {last} and {levels} are the coarsest level, which they keep apart.
NAMES = [
    ("pixel_decoder.mask_feature.{name}", "pixel_decoder.mask_features.{name}"),
    ("pixel_decoder.{last}.conv.{name}", "pixel_decoder.output_convs.{levels}.conv.{name}"),
    ("pixel_decoder.{last}.gn.{name}", "pixel_decoder.output_convs.{levels}.norm.{name}"),
    ("pixel_decoder.lateral_convs.{i}.conv.{name}", "pixel_decoder.lateral_convs.{i}.conv.{name}"),
    ("pixel_decoder.lateral_convs.{i}.gn.{name}", "pixel_decoder.lateral_convs.{i}.norm.{name}"),
    ("pixel_decoder.output_convs.{i}.conv.{name}", "pixel_decoder.output_convs.{i}.conv.{name}"),
    ("pixel_decoder.output_convs.{i}.gn.{name}", "pixel_decoder.output_convs.{i}.norm.{name}"),
    ("pixel_decoder.encoder_in_proj.{name}", "pixel_decoder.input_proj.{name}"),
    ("pixel_decoder.encoder.layers.{i}.self_attn.attn.{name}", "pixel_decoder.encoder.layers.{i}.self_attn.{name}"),
    ("pixel_decoder.encoder.layers.{i}.ffn.layers.0.0.{name}", "pixel_decoder.encoder.layers.{i}.linear1.{name}"),
    ("pixel_decoder.encoder.layers.{i}.ffn.layers.1.{name}", "pixel_decoder.encoder.layers.{i}.linear2.{name}"),
    ("pixel_decoder.encoder.layers.{i}.norms.0.{name}", "pixel_decoder.encoder.layers.{i}.norm1.{name}"),
    ("pixel_decoder.encoder.layers.{i}.norms.1.{name}", "pixel_decoder.encoder.layers.{i}.norm2.{name}"),
    ("transformer_decoder.layers.{i}.self_attn.attn.{name}", "transformer_decoder.layers.{i}.self_attn.{name}"),
    ("transformer_decoder.layers.{i}.cross_attn.attn.{name}", "transformer_decoder.layers.{i}.multihead_attn.{name}"),
    ("transformer_decoder.layers.{i}.ffn.layers.0.0.{name}", "transformer_decoder.layers.{i}.linear1.{name}"),
    ("transformer_decoder.layers.{i}.ffn.layers.1.{name}", "transformer_decoder.layers.{i}.linear2.{name}"),
    ("transformer_decoder.layers.{i}.norms.0.{name}", "transformer_decoder.layers.{i}.norm1.{name}"),
    ("transformer_decoder.layers.{i}.norms.1.{name}", "transformer_decoder.layers.{i}.norm2.{name}"),
    ("transformer_decoder.layers.{i}.norms.2.{name}", "transformer_decoder.layers.{i}.norm3.{name}"),
    ("transformer_decoder.post_norm.{name}", "transformer_decoder.norm.{name}"),
    ("query_embed.{name}", "query_embed.{name}"),
    ("decoder_input_proj.{name}", "input_proj.{name}"),
    ("cls_embed.{name}", "class_embed.{name}"),
    ("mask_embed.0.{name}", "mask_embed.layers.0.{name}"),
    ("mask_embed.2.{name}", "mask_embed.layers.1.{name}"),
    ("mask_embed.4.{name}", "mask_embed.layers.2.{name}"),
    # mmdet 2, before whose end one of the published files is dated. Read alone: for ours the rules above come first.
    ("pixel_decoder.encoder.layers.{i}.attentions.0.attn.{name}", "pixel_decoder.encoder.layers.{i}.self_attn.{name}"),
    ("pixel_decoder.encoder.layers.{i}.ffns.0.layers.0.0.{name}", "pixel_decoder.encoder.layers.{i}.linear1.{name}"),
    ("pixel_decoder.encoder.layers.{i}.ffns.0.layers.1.{name}", "pixel_decoder.encoder.layers.{i}.linear2.{name}"),
    ("transformer_decoder.layers.{i}.attentions.0.attn.{name}", "transformer_decoder.layers.{i}.self_attn.{name}"),
    ("transformer_decoder.layers.{i}.attentions.1.attn.{name}", "transformer_decoder.layers.{i}.multihead_attn.{name}"),
    ("transformer_decoder.layers.{i}.ffns.0.layers.0.0.{name}", "transformer_decoder.layers.{i}.linear1.{name}"),
    ("transformer_decoder.layers.{i}.ffns.0.layers.1.{name}", "transformer_decoder.layers.{i}.linear2.{name}"),
]


def key_map(levels: int, encodes: bool, prefix: str = "decode_head.") -> KeyMap:
    """Return the table for a pixel decoder with ``levels`` levels above the coarsest, with or without an encoder."""
    values = {"last": "encoder_out_proj" if encodes else "last_feat_conv", "levels": str(levels)}

    def fill(template: str) -> str:
        return re.sub(r"\{(last|levels)\}", lambda found: values[found[1]], template)

    rules = [Rule(prefix + fill(theirs), prefix + fill(ours)) for theirs, ours in NAMES]
    return KeyMap(OWNER, [*rules, Rule("backbone.{name}", "backbone.{name}"), Rule("neck.{name}", "neck.{name}")])


def convert_from(state_dict: Mapping[str, Tensor], prefix: str = "decode_head.") -> Conversion:
    """As :func:`from_mmseg_head`, with an account of every key."""
    levels = _count_levels(state_dict, f"{prefix}pixel_decoder.lateral_convs.")
    encodes = any(key.startswith(f"{prefix}pixel_decoder.encoder_out_proj.") for key in state_dict)
    return key_map(levels, encodes, prefix).to_ours(state_dict)


def from_mmseg_head(state_dict: Mapping[str, Tensor], prefix: str = "decode_head.") -> dict[str, Tensor]:
    """mmseg's head's keys under our names; keys of the backbone and the neck stay.

    Raises:
        UserError: a key that no rule covers.
    """
    return convert_from(state_dict, prefix).weights


def to_mmseg_head(state_dict: Mapping[str, Tensor], prefix: str = "decode_head.") -> dict[str, Tensor]:
    """Our head's keys under mmseg's names; keys of the backbone and the neck stay.

    Raises:
        UserError: a key that no rule covers.
    """
    levels = _count_levels(state_dict, f"{prefix}pixel_decoder.lateral_convs.")
    encodes = any(key.startswith(f"{prefix}pixel_decoder.encoder.") for key in state_dict)
    return key_map(levels, encodes, prefix).to_theirs(state_dict).weights


def _count_levels(state_dict: Mapping[str, Tensor], prefix: str) -> int:
    return len({key.removeprefix(prefix).split(".")[0] for key in state_dict if key.startswith(prefix)})
