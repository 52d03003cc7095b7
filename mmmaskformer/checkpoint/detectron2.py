"""The reference release's (Detectron2) models <-> ours, with mmseg's or mmdet's ResNet and SwinTransformer.

The release's published files are older than its code and lack ``pixel_decoder.`` in their names, which its code puts in
while it loads a file that does not state a version: so both spellings are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from .classes import CLASS_ORDER
from .keymap import Conversion, KeyMap, Rule
from .swin import SWIN, relative_position_index, under

OWNER = "a MaskFormer of the reference release"
NO_OBJECT_WEIGHT = 0.1

HEAD = [
    ("pixel_decoder.mask_features.{name}", "pixel_decoder.mask_features.{name}"),
    ("pixel_decoder.input_proj.{name}", "pixel_decoder.input_proj.{name}"),
    ("pixel_decoder.transformer.encoder.layers.{i}.{name}", "pixel_decoder.encoder.layers.{i}.{name}"),
    ("predictor.transformer.decoder.layers.{i}.{name}", "transformer_decoder.layers.{i}.{name}"),
    ("predictor.transformer.decoder.norm.{name}", "transformer_decoder.norm.{name}"),
    ("predictor.query_embed.{name}", "query_embed.{name}"),
    ("predictor.input_proj.{name}", "input_proj.{name}"),
    ("predictor.class_embed.{name}", "class_embed.{name}"),
    ("predictor.mask_embed.layers.{i}.{name}", "mask_embed.layers.{i}.{name}"),
    ("predictor.weight", "classifier.weight"),
    ("predictor.bias", "classifier.bias"),
    # The release counts levels from the finest, 1, to the coarsest; so do we, from 0.
    ("pixel_decoder.adapter_{i+1}.norm.{name}", "pixel_decoder.lateral_convs.{i}.norm.{name}"),
    ("pixel_decoder.adapter_{i+1}.{name}", "pixel_decoder.lateral_convs.{i}.conv.{name}"),
    ("pixel_decoder.layer_{i+1}.norm.{name}", "pixel_decoder.output_convs.{i}.norm.{name}"),
    ("pixel_decoder.layer_{i+1}.{name}", "pixel_decoder.output_convs.{i}.conv.{name}"),
]
BLOCKS = [
    Rule("res{i+1}.{j}.shortcut.norm.{name}", "layer{i}.{j}.downsample.1.{name}"),
    Rule("res{i+1}.{j}.shortcut.weight", "layer{i}.{j}.downsample.0.weight"),
    Rule("res{i+1}.{j}.conv{k}.norm.{name}", "layer{i}.{j}.bn{k}.{name}"),
    Rule("res{i+1}.{j}.conv{k}.weight", "layer{i}.{j}.conv{k}.weight"),
]
STEM = [
    Rule("stem.conv1.norm.{name}", "bn1.{name}"),
    Rule("stem.conv1.weight", "conv1.weight"),
]
# The deeplab stem is three convolutions; mmseg keeps them in one Sequential (conv, norm, relu) x 3.
DEEPLAB_STEM = [
    rule
    for index in range(3)
    for rule in (
        Rule(f"stem.conv{index + 1}.norm.{{name}}", f"stem.{3 * index + 1}.{{name}}"),
        Rule(f"stem.conv{index + 1}.weight", f"stem.{3 * index}.weight"),
    )
]
THEIR_EXTRAS = [(r"criterion\.empty_weight", "class weights of the loss, in the config")]
OUR_EXTRAS = [(r".*\.num_batches_tracked", "frozen batch norms do not count")]


def key_map(deeplab_stem: bool, head: str = "decode_head", things_first: bool = False) -> KeyMap:
    """Return the table for a model with either stem, and our head under the name ``head``.

    ``things_first`` is for ADE20K panoptic models, whose classes have another order with us.
    """
    rules = [
        Rule(
            f"sem_seg_head.{theirs}", f"{head}.{ours}", CLASS_ORDER if things_first and "class_embed" in ours else None
        )
        for theirs, ours in HEAD
    ]
    rules += under("backbone.", (DEEPLAB_STEM if deeplab_stem else STEM) + BLOCKS + SWIN)
    return KeyMap(OWNER, rules, THEIR_EXTRAS, OUR_EXTRAS)


def from_detectron2(
    state_dict: Mapping[str, Tensor], head: str = "decode_head", things_first: bool = False
) -> dict[str, Tensor]:
    """State dict of the release's model under our names.

    Args:
        state_dict: of a semantic, per-pixel or panoptic model of the release.
        head: the head's name, "decode_head" in a mmseg model and "panoptic_head" in a mmdet one.
        things_first: put ADE20K's 150 classes into mmdet's order, for its panoptic models.

    Raises:
        UserError: a key that no rule covers; nothing is dropped in silence.
    """
    return convert_from(state_dict, head, things_first).weights


def convert_from(state_dict: Mapping[str, Tensor], head: str = "decode_head", things_first: bool = False) -> Conversion:
    """As :func:`from_detectron2`, with an account of every key."""
    current = {current_name(key): value for key, value in state_dict.items()}
    return key_map("backbone.stem.conv3.weight" in current, head, things_first).to_ours(current)


def to_detectron2(
    state_dict: Mapping[str, Tensor],
    head: str = "decode_head",
    things_first: bool = False,
    no_object_weight: float = NO_OBJECT_WEIGHT,
) -> dict[str, Tensor]:
    """State dict of our model under the names of the release's code, which loads it strictly.

    Args:
        state_dict: of our model.
        head: the head's name in it.
        things_first: whether its classes are ADE20K's in mmdet's order, which the release's are not.
        no_object_weight: for the release's buffer of class weights, which our config holds.

    Raises:
        UserError: a key that the release has no place for.
    """
    return convert_to(state_dict, head, things_first, no_object_weight).weights


def convert_to(
    state_dict: Mapping[str, Tensor],
    head: str = "decode_head",
    things_first: bool = False,
    no_object_weight: float = NO_OBJECT_WEIGHT,
) -> Conversion:
    """As :func:`to_detectron2`, with an account of every key."""
    result = key_map("backbone.stem.0.weight" in state_dict, head, things_first).to_theirs(state_dict)
    if (bias := state_dict.get(f"{head}.class_embed.bias")) is not None:
        result.weights["criterion.empty_weight"] = class_weights(bias, no_object_weight)
    for key in [key for key in result.weights if key.endswith("relative_position_bias_table")]:
        index = key.replace("bias_table", "index")
        if index not in result.weights:
            window = (int(result.weights[key].shape[0] ** 0.5) + 1) // 2
            result.weights[index] = relative_position_index(window)
    return result


def class_weights(bias: Tensor, no_object_weight: float) -> Tensor:
    """(K+1,) the buffer of class weights, as the release and Hugging Face keep it with the model."""
    weights = torch.ones(len(bias), device=bias.device)
    weights[-1] = no_object_weight
    return weights


def current_name(key: str) -> str:
    """Return the name that the release's present code gives a key of a published file."""
    return re.sub(r"^sem_seg_head\.(?!pixel_decoder\.|predictor\.)", "sem_seg_head.pixel_decoder.", key)


def published_name(key: str) -> str:
    """Return the older name, which the release expects where a file does not state its version."""
    return key.replace("sem_seg_head.pixel_decoder.", "sem_seg_head.", 1)
