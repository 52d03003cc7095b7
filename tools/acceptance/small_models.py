"""Whole models of some ten thousand weights, in the formats that are read: a case of a fuzzer takes milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from mmmaskformer.checkpoint.architecture import HeadSizes
from mmmaskformer.checkpoint.config_from_weights import ReleaseSettings, make_config
from mmmaskformer.checkpoint.convert import ConversionOptions, ConvertedModel, to_ours
from mmmaskformer.checkpoint.fitting import meta_model
from mmmaskformer.checkpoint.formats import Checkpoint
from mmmaskformer.checkpoint.saving import write_hf

CLASSES = ["wall", "sky", "tree"]
NUM_HEADS = 4
BACKBONES: dict[str, dict[str, Any]] = {
    "resnet": dict(type="ResNet", depth=18, base_channels=4, stem_channels=4),
    "swin": dict(
        type="SwinTransformer",
        embed_dims=8,
        patch_size=4,
        depths=(1, 1, 1, 1),
        num_heads=(1, 1, 2, 2),
        window_size=2,
        mlp_ratio=2,
    ),
}


def small_config(backbone: str = "resnet") -> dict[str, Any]:
    """The config of a semantic model with the classes of :data:`CLASSES`."""
    widths = (4, 8, 16, 32) if backbone == "resnet" else (8, 16, 32, 64)
    head = HeadSizes(
        kind="mask",
        num_classes=len(CLASSES),
        num_queries=4,
        in_channels=widths,
        channels=32,
        mask_dim=32,
        encoder=None,
        decoder=(1, 32),
        projects=widths[-1] != 32,
        boxes=False,
    )
    return make_config(
        head, BACKBONES[backbone], ReleaseSettings(num_heads=NUM_HEADS, short_side=32, long_side=64), None
    )


def small_weights(config: dict[str, Any]) -> dict[str, Tensor]:
    """Random weights of a config's model, equal every time."""
    generator = torch.Generator().manual_seed(0)
    model = meta_model(Config(config)).to_empty(device="cpu")
    weights = {}
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            # Norms as they are made, and queries of classes and masks of their own.
            scale = 0.0 if value.dim() == 1 else 2.0 if "class_embed" in key or "query_embed" in key else 0.3
            weights[key] = scale * torch.randn(value.shape, generator=generator)
            weights[key] += value.dim() == 1 and not key.endswith(("bias", "running_mean"))
        elif key.endswith("num_batches_tracked"):
            weights[key] = torch.zeros_like(value)
    return weights


def small_model(backbone: str = "resnet") -> ConvertedModel:
    """The model as the converter has it."""
    config = small_config(backbone)
    meta = dict(dataset_meta=dict(classes=CLASSES))
    checkpoint = Checkpoint(Path("small.pth"), small_weights(config), meta)
    return to_ours(checkpoint, ConversionOptions(config=Config(config)))


def write_small_hf(folder: Path, backbone: str = "resnet") -> Path:
    """The model as a folder of Hugging Face's."""
    write_hf(small_model(backbone), folder)
    return folder
