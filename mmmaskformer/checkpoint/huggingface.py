"""Hugging Face's ``MaskFormerForInstanceSegmentation`` with a Swin or ResNet backbone <-> ours.

Names are those of the files, on the hub and as ``save_pretrained`` writes them; inside the program transformers 5 gives
some modules other names, which it changes while loading and saving.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mmmaskformer.errors import UserError

from .classes import CLASS_ORDER
from .detectron2 import NO_OBJECT_WEIGHT, class_weights
from .keymap import Conversion, KeyMap, Rule
from .swin import PATCH_MERGING, relative_position_index, under

OWNER = "Hugging Face's MaskFormer"
LEVELS = 4
ATTENTION = {"self_attn": "self_attn", "encoder_attn": "multihead_attn"}
ENCODER = "model.pixel_level_module.encoder."
DECODER = "model.transformer_module.decoder."
FPN = "model.pixel_level_module.decoder."


def _attention(theirs: str, ours: str) -> list[Rule]:
    """Three projections there, one matrix here."""
    return [
        Rule(tuple(f"{theirs}.{part}_proj.{name}" for part in "qkv"), f"{ours}.in_proj_{name}")
        for name in ("weight", "bias")
    ] + [Rule(f"{theirs}.out_proj.{{name}}", f"{ours}.out_proj.{{name}}")]


def _fpn() -> list[Rule]:
    """They count from the coarsest level."""
    rules = [
        Rule(f"{FPN}mask_projection.{{name}}", "pixel_decoder.mask_features.{name}"),
        Rule(f"{FPN}fpn.stem.0.{{name}}", f"pixel_decoder.output_convs.{LEVELS - 1}.conv.{{name}}"),
        Rule(f"{FPN}fpn.stem.1.{{name}}", f"pixel_decoder.output_convs.{LEVELS - 1}.norm.{{name}}"),
    ]
    for layer in range(LEVELS - 1):
        level = LEVELS - 2 - layer
        for theirs, ours in (("proj", "lateral_convs"), ("block", "output_convs")):
            for index, module in enumerate(("conv", "norm")):
                rules.append(
                    Rule(
                        f"{FPN}fpn.layers.{layer}.{theirs}.{index}.{{name}}",
                        f"pixel_decoder.{ours}.{level}.{module}.{{name}}",
                    )
                )
    return rules


HEAD = [
    *_fpn(),
    Rule("model.transformer_module.queries_embedder.{name}", "query_embed.{name}"),
    Rule("model.transformer_module.input_projection.{name}", "input_proj.{name}"),
    *[
        rule
        for theirs, ours in ATTENTION.items()
        for rule in _attention(f"{DECODER}layers.{{i}}.{theirs}", f"transformer_decoder.layers.{{i}}.{ours}")
    ],
    Rule(DECODER + "layers.{i}.self_attn_layer_norm.{name}", "transformer_decoder.layers.{i}.norm1.{name}"),
    Rule(DECODER + "layers.{i}.encoder_attn_layer_norm.{name}", "transformer_decoder.layers.{i}.norm2.{name}"),
    Rule(DECODER + "layers.{i}.final_layer_norm.{name}", "transformer_decoder.layers.{i}.norm3.{name}"),
    Rule(DECODER + "layers.{i}.fc{k}.{name}", "transformer_decoder.layers.{i}.linear{k}.{name}"),
    Rule(DECODER + "layernorm.{name}", "transformer_decoder.norm.{name}"),
    Rule("class_predictor.{name}", "class_embed.{name}"),
    Rule("mask_embedder.{i}.0.{name}", "mask_embed.layers.{i}.{name}"),
]
BLOCK = "encoder.layers.{i}.blocks.{j}."
SWIN = [
    Rule("embeddings.patch_embeddings.projection.{name}", "patch_embed.projection.{name}"),
    Rule("embeddings.norm.{name}", "patch_embed.norm.{name}"),
    *[
        Rule(
            tuple(f"{BLOCK}attention.self.{part}.{name}" for part in ("query", "key", "value")),
            f"stages.{{i}}.blocks.{{j}}.attn.w_msa.qkv.{name}",
        )
        for name in ("weight", "bias")
    ],
    Rule(
        BLOCK + "attention.self.relative_position_{name}",
        "stages.{i}.blocks.{j}.attn.w_msa.relative_position_{name}",
    ),
    Rule(BLOCK + "attention.output.dense.{name}", "stages.{i}.blocks.{j}.attn.w_msa.proj.{name}"),
    Rule(BLOCK + "layernorm_before.{name}", "stages.{i}.blocks.{j}.norm1.{name}"),
    Rule(BLOCK + "layernorm_after.{name}", "stages.{i}.blocks.{j}.norm2.{name}"),
    Rule(BLOCK + "intermediate.dense.{name}", "stages.{i}.blocks.{j}.ffn.layers.0.0.{name}"),
    Rule(BLOCK + "output.dense.{name}", "stages.{i}.blocks.{j}.ffn.layers.1.{name}"),
    Rule("encoder.layers.{i}.downsample.norm.{name}", "stages.{i}.downsample.norm.{name}", PATCH_MERGING),
    Rule("encoder.layers.{i}.downsample.reduction.{name}", "stages.{i}.downsample.reduction.{name}", PATCH_MERGING),
]
RESNET = [
    Rule("embedder.embedder.convolution.{name}", "conv1.{name}"),
    Rule("embedder.embedder.normalization.{name}", "bn1.{name}"),
]
for _stage in range(LEVELS):  # they count stages from 0 and convolutions from 0, torchvision both from 1
    _theirs, _ours = f"encoder.stages.{_stage}.layers.{{j}}.", f"layer{_stage + 1}.{{j}}."
    RESNET += [
        Rule(f"{_theirs}shortcut.convolution.{{name}}", f"{_ours}downsample.0.{{name}}"),
        Rule(f"{_theirs}shortcut.normalization.{{name}}", f"{_ours}downsample.1.{{name}}"),
    ]
    for _layer in range(3):
        RESNET += [
            Rule(f"{_theirs}layer.{_layer}.convolution.{{name}}", f"{_ours}conv{_layer + 1}.{{name}}"),
            Rule(f"{_theirs}layer.{_layer}.normalization.{{name}}", f"{_ours}bn{_layer + 1}.{{name}}"),
        ]
THEIR_EXTRAS = [
    (r"criterion\.empty_weight", "class weights of the loss, in the config"),
    (r"model\.pixel_level_module\.encoder\.model\.layernorm\..+", "norm of a classifier, unused"),
]


def key_map(head: str = "decode_head", things_first: bool = False) -> KeyMap:
    """Return the table for models whose head is ``head`` here; ``things_first`` is for ADE20K panoptic models."""
    rules = [
        Rule(rule.theirs, f"{head}.{rule.ours}", CLASS_ORDER if things_first and "class_embed" in rule.ours else None)
        for rule in HEAD
    ]
    norms = Rule("hidden_states_norms.{i}.{name}", "norm{i}.{name}")
    return KeyMap(OWNER, rules + _below(ENCODER + "model.", SWIN) + under(ENCODER, [norms, *RESNET]), THEIR_EXTRAS)


def convert_from(state_dict: Mapping[str, Tensor], head: str = "decode_head", things_first: bool = False) -> Conversion:
    """Weights from a Hugging Face file under our names.

    Args:
        state_dict: of the file.
        head: our head's name, "decode_head" in a mmseg model and "panoptic_head" in a mmdet one.
        things_first: put ADE20K's 150 classes into mmdet's order, for its panoptic models.

    Raises:
        UserError: a key that no rule covers, or a projection without its siblings.
    """
    return key_map(head, things_first).to_ours(state_dict)


def convert_to(
    state_dict: Mapping[str, Tensor],
    head: str = "decode_head",
    things_first: bool = False,
    no_object_weight: float = NO_OBJECT_WEIGHT,
) -> Conversion:
    """Our weights under the names of a Hugging Face file, with the tensors that it expects beside them.

    Raises:
        UserError: a part that their model does not have: the transformer encoder, DeepLab's stem, a per-pixel head.
    """
    for part, what in (
        (f"{head}.pixel_decoder.encoder.layers.0.linear1.weight", "the pixel decoder's transformer encoder"),
        ("backbone.stem.0.weight", "DeepLab's stem of three convolutions"),
        (f"{head}.box_embed.layers.0.weight", "the box head"),
    ):
        if part in state_dict:
            raise UserError(f"{OWNER} has no place for {what}, which this model has: {part}")
    if f"{head}.class_embed.weight" not in state_dict:
        raise UserError(f"{OWNER} has a class head ({head}.class_embed), which a per-pixel model has not")
    result = key_map(head, things_first).to_theirs(state_dict)
    weights = result.weights
    weights["criterion.empty_weight"] = class_weights(state_dict[f"{head}.class_embed.bias"], no_object_weight)
    for key in list(weights):
        if key.endswith("relative_position_bias_table"):
            window = (int(weights[key].shape[0] ** 0.5) + 1) // 2
            weights.setdefault(key.replace("bias_table", "index"), relative_position_index(window))
        elif key.endswith("running_var"):
            weights.setdefault(key.replace("running_var", "num_batches_tracked"), torch.tensor(0))
    last_norm = weights.get(f"{ENCODER}hidden_states_norms.{LEVELS - 1}.weight")
    if last_norm is not None:
        weights[f"{ENCODER}model.layernorm.weight"] = torch.ones_like(last_norm)
        weights[f"{ENCODER}model.layernorm.bias"] = torch.zeros_like(last_norm)
    return result


def _below(prefix: str, rules: list[Rule]) -> list[Rule]:
    return [Rule(tuple(prefix + part for part in rule.parts), f"backbone.{rule.ours}", rule.reorder) for rule in rules]
