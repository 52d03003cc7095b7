"""Hugging Face's ``config.json`` and ``preprocessor_config.json`` <-> what our config says in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmmaskformer.errors import UserError
from mmmaskformer.foreign import values

from .architecture import BASIC_DEPTHS, BOTTLENECK_DEPTHS, HeadSizes
from .config_from_weights import ReleaseSettings

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
IMAGENET = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])  # what their processor takes by default
HEAVIEST = 1e6  # weight of a loss
LONGEST_SIDE = 16_384  # pixels; beyond, one image takes gigabytes
WEIGHTS = {
    "no_object_weight": "no_object_weight",
    "cross_entropy_weight": "class_weight",
    "mask_weight": "mask_weight",
    "dice_weight": "dice_weight",
}
# What changes the numbers of a model and is in no shape, with the value that ours has.
DECODER_OPTIONS = {
    "activation_function": "relu",
    "auxiliary_loss": False,  # it puts a norm between the decoder's layers
}
SWIN_OPTIONS = {"hidden_act": "gelu", "layer_norm_eps": 1e-5}
BACKBONE_OPTIONS = {
    "swin": SWIN_OPTIONS,
    "maskformer-swin": SWIN_OPTIONS,
    "resnet": {"hidden_act": "relu", "downsample_in_bottleneck": False, "downsample_in_first_stage": False},
}
OUT_FEATURES = ["stage1", "stage2", "stage3", "stage4"]
DEPTHS = {depth: list(blocks) for table in (BASIC_DEPTHS, BOTTLENECK_DEPTHS) for blocks, depth in table.items()}


def read_settings(
    config: Mapping[str, Any], preprocessor: Mapping[str, Any], default: ReleaseSettings
) -> ReleaseSettings:
    """Return what shapes do not tell, from the two files; ``default`` where they say nothing.

    Raises:
        UserError: a value is of another type or out of its range, or the model computes something that ours does not.
    """
    decoder, backbone = (_part(config, f"{part}_config") for part in ("decoder", "backbone"))
    _check_computation(decoder, DECODER_OPTIONS)
    kind = backbone.get("model_type")
    if kind is not None:
        kind = values.one_of(kind, f"{CONFIG}: backbone_config.model_type", tuple(BACKBONE_OPTIONS))
        _check_computation(backbone, BACKBONE_OPTIONS[kind])
    found = dict(
        num_heads=_optional(decoder, "decoder_attention_heads", f"{CONFIG}: decoder_config.", values.whole, 1, 1024),
        dropout=_optional(decoder, "dropout", f"{CONFIG}: decoder_config.", values.number, 0, 1),
    )
    for theirs, ours in WEIGHTS.items():
        found[ours] = _optional(config, theirs, f"{CONFIG}: ", values.number, 0, HEAVIEST)
    found.update(_pixels(preprocessor), **_sizes(preprocessor))
    return replace(default, **{name: value for name, value in found.items() if value is not None})


def class_names(config: Mapping[str, Any], count: int) -> list[str] | None:
    """Names of the classes, unless they are placeholders or of another number.

    Raises:
        UserError: ``id2label`` is no table of names by number.
    """
    where = f"{CONFIG}: id2label"
    table = _part(config, "id2label")
    names = {}
    for index, name in table.items():
        if not (index.isascii() and index.isdecimal() and len(index) <= len(str(values.MOST_CLASSES))):
            values.refuse(index, f"{where}: a key", "the number of a class")
        names[int(index)] = values.name(name, f"{where}.{index}")
    if len(names) < len(table):
        raise UserError(f"{where} has a class twice")
    if sorted(names) != list(range(count)) or all(name.startswith("LABEL_") for name in names.values()):
        return None
    return [names[index] for index in range(count)]


def _part(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return {} if config.get(name) is None else values.mapping(config[name], f"{CONFIG}: {name}")


def _optional(owner: Mapping[str, Any], name: str, where: str, check: Callable, *limits: Any) -> Any:
    """Return a checked value, or None where the file says nothing."""
    return None if owner.get(name) is None else check(owner[name], where + name, *limits)


def _check_computation(owner: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    for option, ours in options.items():
        value = owner.get(option, ours)
        if type(value) is not type(ours) or value != ours:
            raise UserError(f"{CONFIG} has {option}={values.shown(value)}, and only {ours!r} can be converted")


def _pixels(preprocessor: Mapping[str, Any]) -> dict[str, Any]:
    """Mean and deviation of pixels 0..255 of theirs, which are rescaled first."""
    where = f"{PREPROCESSOR}: "
    steps = {name: _optional(preprocessor, f"do_{name}", where, values.flag) for name in ("rescale", "normalize")}
    factor = _optional(preprocessor, "rescale_factor", where, values.number, 1e-6, 1e6)
    scale = 1.0 if steps["rescale"] is False else 1 / (1 / 255 if factor is None else factor)
    found = {}
    for name, low, high, neutral in (("mean", -1e4, 1e4, 0.0), ("std", 1e-3, 1e4, 1.0)):
        own = preprocessor.get(f"image_{name}")
        if own is None:
            own = IMAGENET[name]
        elif isinstance(own, int | float):
            own = [own] * 3  # one number for all channels
        own = values.numbers(own, f"{where}image_{name}", 3, low / scale, high / scale)
        if steps["normalize"] is False:
            own = [neutral] * 3
        found[name] = tuple(float(f"{value * scale:.6g}") for value in own)
    return found


def _sizes(preprocessor: Mapping[str, Any]) -> dict[str, Any]:
    """Return what images are resized to. Older files say ``size_divisibility``, and sizes as numbers."""
    where = f"{PREPROCESSOR}: "
    if _optional(preprocessor, "do_resize", where, values.flag) is False:
        raise UserError(f"{PREPROCESSOR} has do_resize=False, and only True can be converted")
    divisor = "size_divisor" if preprocessor.get("size_divisor") is not None else "size_divisibility"
    size = preprocessor.get("size")
    if isinstance(size, Mapping):
        if unknown := [key for key in size if key not in ("shortest_edge", "longest_edge")]:
            values.refuse(unknown[0], f"{where}a key of size", "'shortest_edge' or 'longest_edge'")
        short, long, places = (
            size.get("shortest_edge"),
            size.get("longest_edge"),
            "size.shortest_edge size.longest_edge",
        )
    else:
        short, long, places = size, preprocessor.get("max_size"), "size max_size"
    short, long = (
        None if side is None else values.whole(side, where + place, 1, LONGEST_SIDE)
        for side, place in zip((short, long), places.split())
    )
    return dict(
        size_divisor=_optional(preprocessor, divisor, where, values.whole, 0, 4096), short_side=short, long_side=long
    )


def model_config(
    head: HeadSizes, backbone: Mapping[str, Any], settings: ReleaseSettings, classes: Sequence[str] | None
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


def preprocessor_config(settings: ReleaseSettings, ignore_index: int = 255) -> dict[str, Any]:
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
