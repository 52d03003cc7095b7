"""What a model looks like, read from the shapes of its weights under our names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mmmaskformer.errors import UserError, listed

# Blocks of the four stages -> depth, for both kinds of blocks.
BASIC_DEPTHS = {(2, 2, 2, 2): 18, (3, 4, 6, 3): 34}
BOTTLENECK_DEPTHS = {(3, 4, 6, 3): 50, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}
HEADS = ("decode_head", "panoptic_head")


@dataclass(frozen=True)
class HeadSizes:
    """Sizes of a head of ours.

    Attributes:
        kind: "mask", "per-pixel" or "per-pixel-plus".
        num_classes: K.
        num_queries: Q; 0 for "per-pixel".
        in_channels: of the backbone's stages, finest first.
        channels, mask_dim: widths of the decoders and of the embeddings.
        encoder: (layers, feed-forward channels) of the pixel decoder's transformer encoder; None without one.
        decoder: the same of the transformer decoder.
        projects: whether the memory is projected.
        boxes: whether it predicts boxes.
        scales: how many of the pixel decoder's maps a decoder with masked attention reads; 0 for the paper's decoder.
        pooled: whether queries are classified by the pixels under their masks too.
        placed: whether the pixel decoder adds places.
        pilots: whether it was trained with pilots.
    """

    kind: str
    num_classes: int
    num_queries: int
    in_channels: tuple[int, ...]
    channels: int
    mask_dim: int
    encoder: tuple[int, int] | None
    decoder: tuple[int, int] | None
    projects: bool
    boxes: bool
    scales: int = 0
    pooled: bool = False
    placed: bool = False
    pilots: bool = False


def find_head(state: Mapping[str, Tensor]) -> str:
    """Return the head's name, "decode_head" or "panoptic_head".

    Raises:
        UserError: there is no head.
    """
    for head in HEADS:
        if any(key.startswith(f"{head}.") for key in state):
            return head
    raise UserError("the checkpoint has no head: it is a backbone, or half a model")


def describe_head(state: Mapping[str, Tensor], head: str) -> HeadSizes:
    """Sizes of the head.

    Args:
        state: under our names.
        head: the head's name.

    Raises:
        UserError: a tensor that tells a size is missing or has another shape than it can have; names it.
    """
    shape = _Shapes(state, f"{head}.").matrix

    def transformer(prefix: str) -> tuple[int, int] | None:
        layers = _numbered(state, f"{head}.{prefix}.layers.")
        return (layers, shape(f"{prefix}.layers.0.linear1.weight")[0]) if layers else None

    scales = shape("transformer_decoder.level_embed.weight")[0] if f"{head}.query_feat.weight" in state else 0
    finer = _numbered(state, f"{head}.pixel_decoder.lateral_convs.")
    encoder, decoder = transformer("pixel_decoder.encoder"), transformer("transformer_decoder")
    mask_dim, channels = shape("pixel_decoder.mask_features.weight")[:2]
    coarsest = "input_proj" if encoder else f"output_convs.{finer}.conv"
    stages = [shape(f"pixel_decoder.lateral_convs.{level}.conv.weight")[1] for level in range(finer)]
    if f"{head}.classifier.weight" in state:
        kind, num_queries, num_classes = "per-pixel", 0, shape("classifier.weight")[0]
    elif f"{head}.class_embed.weight" in state:
        kind, num_queries, num_classes = "mask", shape("query_embed.weight")[0], shape("class_embed.weight")[0] - 1
    else:
        kind, num_queries = "per-pixel-plus", shape("query_embed.weight")[0]
        num_classes = num_queries
    if num_classes < 1:
        raise UserError(f"{head}.class_embed.weight has rows for no class")
    if kind != "per-pixel" and decoder is None:
        raise UserError(f"{head}.transformer_decoder has no layers: the checkpoint is not whole")
    return HeadSizes(
        kind=kind,
        num_classes=num_classes,
        num_queries=num_queries,
        in_channels=(*stages, shape(f"pixel_decoder.{coarsest}.weight")[1]),
        channels=channels,
        mask_dim=mask_dim,
        encoder=encoder,
        decoder=decoder,
        projects=f"{head}.input_proj.{'0.' if scales else ''}weight" in state,
        boxes=f"{head}.box_embed.layers.0.weight" in state,
        scales=scales,
        pooled=f"{head}.class_embed.pool.weight" in state,
        placed=f"{head}.pixel_decoder.position_convs.0.weight" in state,
        pilots=f"{head}.pilots.label_embed.weight" in state,
    )


def describe_backbone(state: Mapping[str, Tensor], prefix: str = "backbone.") -> dict[str, Any]:
    """Config of mmseg's or mmdet's ResNet or SwinTransformer whose shapes these are.

    Raises:
        UserError: it is of another kind, or of a depth that these do not have.
    """
    shapes = _Shapes(state, prefix)
    if "patch_embed.projection.weight" in shapes:
        return _describe_swin(shapes)
    if "layer1.0.conv1.weight" in shapes:
        return _describe_resnet(shapes)
    raise UserError(
        "a config can be made for ResNet and SwinTransformer alone, and the backbone holds "
        f"{listed(shapes, 3)}: give the model's config with --config"
    )


class _Shapes(Mapping):
    """Shapes of the tensors below a prefix, which is left out of their names."""

    def __init__(self, state: Mapping[str, Tensor], prefix: str) -> None:
        self.prefix = prefix
        self._shapes = {k.removeprefix(prefix): tuple(v.shape) for k, v in state.items() if k.startswith(prefix)}

    def __getitem__(self, key: str) -> tuple[int, ...]:
        return self._shapes[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)

    def matrix(self, key: str, dimensions: int = 2) -> tuple[int, ...]:
        """Return the shape of a tensor that has at least so many dimensions.

        Raises:
            UserError: it is missing, or it has fewer dimensions or no elements.
        """
        if key not in self._shapes:
            raise UserError(f"{self.prefix}{key} is missing: the checkpoint is not whole")
        shape = self._shapes[key]
        if len(shape) < dimensions or 0 in shape:
            raise UserError(f"{self.prefix}{key} has the shape {shape}, must have {dimensions} dimensions and elements")
        return shape


def _describe_resnet(shapes: _Shapes) -> dict[str, Any]:
    blocks = tuple(_numbered(shapes, f"layer{stage}.") for stage in (1, 2, 3, 4))
    bottleneck = "layer1.0.conv3.weight" in shapes
    depths = BOTTLENECK_DEPTHS if bottleneck else BASIC_DEPTHS
    if blocks not in depths:
        known = ", ".join(f"{depth}: {counts}" for counts, depth in depths.items())
        raise UserError(f"the ResNet's stages have {blocks} blocks, which no depth has ({known})")
    deep_stem = "stem.0.weight" in shapes
    config = dict(
        type="ResNet",
        depth=depths[blocks],
        base_channels=shapes.matrix("layer1.0.conv1.weight")[0],
        stem_channels=shapes.matrix("stem.6.weight" if deep_stem else "conv1.weight")[0],
    )
    if deep_stem:
        config.update(deep_stem=True)
    if "layer2.0.downsample.2.weight" in shapes:  # after an average pooling, which has no weights
        config.update(avg_down=True)
    return config


def _describe_swin(shapes: _Shapes) -> dict[str, Any]:
    stages = range(_numbered(shapes, "stages."))
    tables = [shapes.matrix(f"stages.{stage}.blocks.0.attn.w_msa.relative_position_bias_table") for stage in stages]
    embed_dims, _, patch_size, _ = shapes.matrix("patch_embed.projection.weight", 4)
    return dict(
        type="SwinTransformer",
        embed_dims=embed_dims,
        patch_size=patch_size,
        depths=tuple(_numbered(shapes, f"stages.{stage}.blocks.") for stage in stages),
        num_heads=tuple(heads for _, heads in tables),
        window_size=(round(tables[0][0] ** 0.5) + 1) // 2,
        mlp_ratio=shapes.matrix("stages.0.blocks.0.ffn.layers.0.0.weight")[0] // embed_dims,
    )


def _numbered(names: Mapping[str, Any], prefix: str) -> int:
    """How many modules are numbered below ``prefix``."""
    return len({found[1] for name in names if (found := re.match(re.escape(prefix) + r"(\d+)\.", name))})
