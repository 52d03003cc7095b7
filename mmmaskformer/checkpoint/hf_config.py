"""Hugging Face's ``config.json`` and ``preprocessor_config.json`` <-> what our config says in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmmaskformer.errors import UserError

from .architecture import BASIC_DEPTHS, BOTTLENECK_DEPTHS, Head
from .configs import Settings

OUT_FEATURES = ["stage1", "stage2", "stage3", "stage4"]
DEPTHS = {depth: list(blocks) for table in (BASIC_DEPTHS, BOTTLENECK_DEPTHS) for blocks, depth in table.items()}


def read_settings(config: Mapping[str, Any], preprocessor: Mapping[str, Any], default: Settings) -> Settings:
    """What shapes do not tell, from the two files; ``default`` where they say nothing.

    Raises:
        UserError: the model computes something that ours does not.
    """
    decoder, backbone = (config.get(f"{part}_config") or {} for part in ("decoder", "backbone"))
    for owner, option, ours in (
        (decoder, "activation_function", "relu"),
        (decoder, "auxiliary_loss", False),  # it puts a norm between the decoder's layers
        (backbone, "downsample_in_bottleneck", False),
        (backbone, "downsample_in_first_stage", False),
    ):
        if owner.get(option, ours) != ours:
            raise UserError(f"config.json has {option}={owner[option]!r}, and only {ours!r} can be converted")
    found = dict(
        num_heads=decoder.get("decoder_attention_heads"),
        dropout=decoder.get("dropout"),
        no_object_weight=config.get("no_object_weight"),
        class_weight=config.get("cross_entropy_weight"),
        mask_weight=config.get("mask_weight"),
        dice_weight=config.get("dice_weight"),
    )
    if preprocessor:
        scale = 1 / preprocessor.get("rescale_factor", 1 / 255)
        for name in ("mean", "std"):
            if values := preprocessor.get(f"image_{name}"):
                found[name] = tuple(round(value * scale, 3) for value in values)
        # Older files say `size_divisibility`, and sizes as numbers.
        found["size_divisor"] = preprocessor.get("size_divisor", preprocessor.get("size_divisibility"))
        size = preprocessor.get("size")
        if not isinstance(size, Mapping):
            size = dict(shortest_edge=size, longest_edge=preprocessor.get("max_size"))
        found.update(short_side=size.get("shortest_edge"), long_side=size.get("longest_edge"))
    return replace(default, **{name: value for name, value in found.items() if value is not None})


def class_names(config: Mapping[str, Any], count: int) -> list[str] | None:
    """Names of the classes, unless they are placeholders or of another number."""
    names = {int(index): str(name) for index, name in (config.get("id2label") or {}).items()}
    if sorted(names) != list(range(count)) or all(name.startswith("LABEL_") for name in names.values()):
        return None
    return [names[index] for index in range(count)]


def model_config(
    head: Head, backbone: Mapping[str, Any], settings: Settings, classes: Sequence[str] | None
) -> dict[str, Any]:
    """``config.json`` for our weights.

    Args:
        head: sizes of the head.
        backbone: as ``architecture.describe_backbone`` gives it.
        settings: what the shapes do not tell.
        classes: names in the order of the written weights; placeholders where they are not known.
    """
    names = list(classes or [f"LABEL_{index}" for index in range(head.num_classes)])
    layers, feedforward = head.decoder
    return dict(
        architectures=["MaskFormerForInstanceSegmentation"],
        model_type="maskformer",
        backbone_config=_backbone_config(backbone, head.in_channels),
        decoder_config=dict(
            model_type="detr",
            d_model=head.channels,
            num_queries=head.num_queries,
            decoder_layers=layers,
            decoder_ffn_dim=feedforward,
            decoder_attention_heads=settings.num_heads,
            # Of an encoder that MaskFormer does not have; their base class reads the number of heads from it.
            encoder_attention_heads=settings.num_heads,
            dropout=settings.dropout,
        ),
        fpn_feature_size=head.channels,
        mask_feature_size=head.mask_dim,
        no_object_weight=settings.no_object_weight,
        cross_entropy_weight=settings.class_weight,
        mask_weight=settings.mask_weight,
        dice_weight=settings.dice_weight,
        use_auxiliary_loss=False,
        id2label={str(index): name for index, name in enumerate(names)},
        label2id={name: index for index, name in enumerate(names)},
    )


def preprocessor_config(settings: Settings, ignore_index: int = 255) -> dict[str, Any]:
    """``preprocessor_config.json``: the same resizing and pixels as in the converted model's test pipeline."""
    return dict(
        image_processor_type="MaskFormerImageProcessor",
        do_resize=True,
        size=dict(shortest_edge=settings.short_side, longest_edge=settings.long_side),
        size_divisor=settings.size_divisor or 0,
        do_rescale=True,
        rescale_factor=1 / 255,
        do_normalize=True,
        image_mean=[round(value / 255, 6) for value in settings.mean],
        image_std=[round(value / 255, 6) for value in settings.std],
        ignore_index=ignore_index,
        do_reduce_labels=False,
    )


def _backbone_config(backbone: Mapping[str, Any], channels: Sequence[int]) -> dict[str, Any]:
    if backbone["type"] == "SwinTransformer":
        return dict(
            model_type="swin",
            embed_dim=backbone["embed_dims"],
            patch_size=backbone["patch_size"],
            depths=list(backbone["depths"]),
            num_heads=list(backbone["num_heads"]),
            window_size=backbone["window_size"],
            mlp_ratio=float(backbone["mlp_ratio"]),
            out_features=OUT_FEATURES,
        )
    return dict(
        model_type="resnet",
        embedding_size=backbone["stem_channels"],
        hidden_sizes=list(channels),
        depths=DEPTHS[backbone["depth"]],
        layer_type="basic" if backbone["depth"] in BASIC_DEPTHS.values() else "bottleneck",
        out_features=OUT_FEATURES,
    )
