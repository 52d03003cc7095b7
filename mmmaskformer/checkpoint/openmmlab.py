"""mmseg's and mmdet's own MaskFormerHead <-> our heads: only names change.

mmdet's goes by ``prefix="panoptic_head."``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

# ours <-> theirs, inside the head.
NAMES = [
    (r"pixel_decoder\.mask_features\.(.+)", "pixel_decoder.mask_feature.{0}"),
    (r"pixel_decoder\.lateral_convs\.(\d)\.conv\.(.+)", "pixel_decoder.lateral_convs.{0}.conv.{1}"),
    (r"pixel_decoder\.lateral_convs\.(\d)\.norm\.(.+)", "pixel_decoder.lateral_convs.{0}.gn.{1}"),
    (r"pixel_decoder\.output_convs\.(\d)\.conv\.(.+)", "pixel_decoder.output_convs.{0}.conv.{1}"),
    (r"pixel_decoder\.output_convs\.(\d)\.norm\.(.+)", "pixel_decoder.output_convs.{0}.gn.{1}"),
    (r"pixel_decoder\.input_proj\.(.+)", "pixel_decoder.encoder_in_proj.{0}"),
    (r"pixel_decoder\.encoder\.layers\.(\d+)\.self_attn\.(.+)", "pixel_decoder.encoder.layers.{0}.self_attn.attn.{1}"),
    (r"pixel_decoder\.encoder\.layers\.(\d+)\.linear1\.(.+)", "pixel_decoder.encoder.layers.{0}.ffn.layers.0.0.{1}"),
    (r"pixel_decoder\.encoder\.layers\.(\d+)\.linear2\.(.+)", "pixel_decoder.encoder.layers.{0}.ffn.layers.1.{1}"),
    (r"pixel_decoder\.encoder\.layers\.(\d+)\.norm1\.(.+)", "pixel_decoder.encoder.layers.{0}.norms.0.{1}"),
    (r"pixel_decoder\.encoder\.layers\.(\d+)\.norm2\.(.+)", "pixel_decoder.encoder.layers.{0}.norms.1.{1}"),
    (r"transformer_decoder\.layers\.(\d+)\.self_attn\.(.+)", "transformer_decoder.layers.{0}.self_attn.attn.{1}"),
    (r"transformer_decoder\.layers\.(\d+)\.multihead_attn\.(.+)", "transformer_decoder.layers.{0}.cross_attn.attn.{1}"),
    (r"transformer_decoder\.layers\.(\d+)\.linear1\.(.+)", "transformer_decoder.layers.{0}.ffn.layers.0.0.{1}"),
    (r"transformer_decoder\.layers\.(\d+)\.linear2\.(.+)", "transformer_decoder.layers.{0}.ffn.layers.1.{1}"),
    (r"transformer_decoder\.layers\.(\d+)\.norm1\.(.+)", "transformer_decoder.layers.{0}.norms.0.{1}"),
    (r"transformer_decoder\.layers\.(\d+)\.norm2\.(.+)", "transformer_decoder.layers.{0}.norms.1.{1}"),
    (r"transformer_decoder\.layers\.(\d+)\.norm3\.(.+)", "transformer_decoder.layers.{0}.norms.2.{1}"),
    (r"transformer_decoder\.norm\.(.+)", "transformer_decoder.post_norm.{0}"),
    (r"query_embed\.(.+)", "query_embed.{0}"),
    (r"input_proj\.(.+)", "decoder_input_proj.{0}"),
    (r"class_embed\.(.+)", "cls_embed.{0}"),
    (r"mask_embed\.layers\.0\.(.+)", "mask_embed.0.{0}"),
    (r"mask_embed\.layers\.1\.(.+)", "mask_embed.2.{0}"),
    (r"mask_embed\.layers\.2\.(.+)", "mask_embed.4.{0}"),
]


def to_mmseg_head(state_dict: Mapping[str, Tensor], prefix: str = "decode_head.") -> dict[str, Tensor]:
    """Our head's keys under mmseg's names; keys outside ``prefix`` (the backbone) stay.

    Raises:
        KeyError: a key of the head that no rule covers.
    """
    levels = _coarsest(state_dict, prefix, r"pixel_decoder\.output_convs\.(\d)\.")
    encodes = any(key.startswith(f"{prefix}pixel_decoder.encoder.") for key in state_dict)
    last = "encoder_out_proj" if encodes else "last_feat_conv"
    renamed = {}
    for key, value in state_dict.items():
        inside = key.removeprefix(prefix)
        # mmdet keeps the coarsest level's convolution apart.
        if match := re.fullmatch(rf"pixel_decoder\.output_convs\.{levels}\.(conv|norm)\.(.+)", inside):
            name = "conv" if match[1] == "conv" else "gn"
            inside = f"pixel_decoder.{last}.{name}.{match[2]}"
        elif key.startswith(prefix):
            inside = _rename(inside)
        renamed[(prefix if key.startswith(prefix) else "") + inside] = value
    return renamed


def from_mmseg_head(state_dict: Mapping[str, Tensor], prefix: str = "decode_head.") -> dict[str, Tensor]:
    """mmseg's head's keys under our names; keys outside ``prefix`` (the backbone) stay.

    Raises:
        KeyError: a key of the head that no rule covers.
    """
    levels = _coarsest(state_dict, prefix, r"pixel_decoder\.lateral_convs\.(\d)\.") + 1
    renamed = {}
    for key, value in state_dict.items():
        inside = key.removeprefix(prefix)
        if match := re.fullmatch(r"pixel_decoder\.(?:last_feat_conv|encoder_out_proj)\.(conv|gn)\.(.+)", inside):
            name = "conv" if match[1] == "conv" else "norm"
            inside = f"pixel_decoder.output_convs.{levels}.{name}.{match[2]}"
        elif key.startswith(prefix):
            inside = _rename_back(inside)
        renamed[(prefix if key.startswith(prefix) else "") + inside] = value
    return renamed


def _coarsest(state_dict: Mapping[str, Tensor], prefix: str, pattern: str) -> int:
    found = [int(m[1]) for key in state_dict if (m := re.match(pattern, key.removeprefix(prefix)))]
    return max(found, default=-1)


def _rename(key: str) -> str:
    for pattern, target in NAMES:
        if match := re.fullmatch(pattern, key):
            return target.format(*match.groups())
    raise KeyError(f"{key} is no parameter of our MaskFormerHead")


def _rename_back(key: str) -> str:
    for pattern, target in NAMES:
        groups = re.findall(r"\((.+?)\)", pattern)
        theirs = re.escape(target)
        for index, group in enumerate(groups):
            theirs = theirs.replace(re.escape(f"{{{index}}}"), f"({group})")
        if match := re.fullmatch(theirs, key):
            ours = pattern.replace("\\.", ".")
            for group, found in zip(groups, match.groups()):
                ours = ours.replace(f"({group})", found, 1)
            return ours
    raise KeyError(f"{key} is no parameter of mmseg's MaskFormerHead")
