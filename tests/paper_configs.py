"""Configs and the models they describe, built without memory for their parameters."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, init_default_scope
from pytest import approx
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmmaskformer.analysis.complexity import build_on_meta

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
PATHS = {path.name: path for path in sorted(CONFIGS.glob("*/*.py")) if path.parent.name != "_base_"}
ALL = sorted(PATHS)
# By their names: loading all configs takes 20 seconds.
DETECTORS = [name for name in ALL if re.search("panoptic|instance|pennfudan", name)]
SEGMENTORS = [name for name in ALL if name not in DETECTORS]
FAST = [name for name in ALL if name.startswith("maskformer-fast_")]
REPRODUCED = [name for name in ALL if name not in FAST]
# Together these have every part that a config has, so the others need not train: test_configs.py sees to it.
RUNNING = [
    "maskformer-fast_efficientnet-lite0_camvid.py",
    "maskformer-fast_r50_ade20k.py",
    "maskformer-fast_swin-t_ade20k.py",
    "maskformer-fixed_efficientnet-lite0_shapes-long-tailed.py",
    "maskformer_r101c_cityscapes.py",
    "maskformer_r50_ade20k-full.py",
    "maskformer_r50_mapillary.py",
    "maskformer_swin-b_ade20k.py",
    "mmseg-deeplabv3plus_efficientnet-lite0_camvid.py",
    "mmseg-maskformer_efficientnet-lite0_camvid.py",
    "mmseg-upernet_efficientnet-lite0_camvid.py",
    "per-pixel-baseline-plus-mask-losses_r50_ade20k.py",
    "per-pixel-baseline-plus_efficientnet-lite0_camvid.py",
    "per-pixel-baseline_efficientnet-lite0_shapes.py",
    "per-pixel-baseline_r50_coco-stuff-10k.py",
]
RUNNING_DETECTORS = [
    "maskformer-box-matching_r50_coco-panoptic.py",
    "maskformer-detr-postprocess_r50_coco-panoptic.py",
    "maskformer-fast_efficientnet-lite0_pennfudan.py",
    "maskformer-fast_efficientnet-lite0_shapes-panoptic.py",
    "maskformer-fast_r50_coco-instance.py",
    "maskformer-fast_swin-l-in22k_coco-panoptic.py",
    "maskformer_efficientnet-lite0_pennfudan.py",
    "maskformer_r50_ade20k-panoptic.py",
    "maskformer_swin-t_coco-panoptic.py",
    "mmdet-maskformer_efficientnet-lite0_pennfudan.py",
]
NORMS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm)
# Sections of a config that come from its data set, and those that come from its schedule.
DATA_SECTIONS = ("train_dataloader", "val_dataloader", "test_dataloader", "val_evaluator", "test_evaluator")
SCHEDULE_SECTIONS = ("optim_wrapper", "param_scheduler", "train_cfg", "auto_scale_lr", "default_hooks")


@dataclass(frozen=True)
class Schedule:
    """How the paper trains one family of backbones: AdamW, clipped at 0.01."""

    learning_rate: float
    weight_decay: float
    backbone_multiplier: float
    warm_up: int


RESNET, SWIN = Schedule(1e-4, 1e-4, 0.1, 0), Schedule(6e-5, 0.01, 1.0, 1500)


def schedule_of(name: str) -> Schedule:
    """The schedule of the config's backbone."""
    return SWIN if "_swin-" in name else RESNET


def assert_shared(names: Sequence[str], *sections: str) -> None:
    """Configs have the same sections as the first of them."""
    for section in sections:
        assert {name for name in names if config(name)[section] != config(names[0])[section]} == set(), section


@cache
def config(name: str) -> Config:
    """A config as it is on disk; tests that change it work on a copy."""
    return Config.fromfile(PATHS[name])


@cache
def built(name: str) -> nn.Module:
    """The config's model in training, without memory for its parameters: the large ones take gigabytes."""
    init_default_scope(config(name).default_scope)
    return build_on_meta(config(name)).train()


def head_of(model: nn.Module) -> nn.Module:
    """The decode head of a segmentor or the panoptic head of a detector."""
    return model.decode_head if hasattr(model, "decode_head") else model.panoptic_head


def make_thin(backbone: Config, head: Config) -> None:
    """An eighth of the paper's channels and the depth of its smallest model; the small models stay as they are."""
    if backbone.type.endswith("SwinTransformer"):
        backbone.update(embed_dims=backbone.embed_dims // 4, depths=(2, 2, 2, 2))
        head.in_channels = [channels // 4 for channels in head.in_channels]
    elif backbone.type in ("ResNet", "ResNetV1c"):
        backbone.update(depth=50, base_channels=8, stem_channels=backbone.get("stem_channels", 64) // 8)
        head.in_channels = [channels // 8 for channels in head.in_channels]
        # Without pretrained weights its last norm of each block starts at 0, where a frozen one would stay.
        backbone.zero_init_residual = False
    if head.get("channels") == 256:
        head.channels = 32
        head.pixel_decoder.norm_groups = 4
        for transformer in (head.get("transformer_decoder"), head.pixel_decoder.get("encoder")):
            if transformer is not None:
                transformer.update(feedforward_channels=64, num_layers=2)


def parts(name: str) -> set[tuple]:
    """Which types a config has where, and which backbone, head and decoder together."""
    cfg, found = config(name), set()

    def walk(node: object, place: str) -> None:
        for key, value in node.items() if isinstance(node, dict) else ():
            if key == "type":
                found.add((place, value))
            for child in value if isinstance(value, list | tuple) else [value]:
                walk(child, f"{place}.{key}")

    walk(cfg, "")
    head = cfg.model.get("decode_head") or cfg.model.panoptic_head
    found.add((cfg.model.backbone.type, head.type, head.get("transformer_decoder", {}).get("type")))
    return found


def assert_a_step_trains(model: nn.Module, cfg: Config, batch: dict) -> None:
    """A step of training has a finite loss and changes what is trained, and nothing else."""
    before = {key: value.clone() for key, value in model.state_dict().items()}
    losses = model.train().train_step(batch, build_optim_wrapper(model, cfg.optim_wrapper))
    assert losses["loss"].isfinite()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    trained = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert changed <= trained | {key for key, _ in model.named_buffers()}
    # Some get no gradient in one step: a block whose path was dropped, the first self-attention, whose input is 0.
    assert len(changed & trained) > 0.85 * len(trained)


def transform(pipeline: list[dict], kind: str) -> dict:
    """The one transform of this type."""
    (found,) = [step for step in pipeline if step["type"] == kind]
    return found


def norm_names(model: nn.Module) -> set[str]:
    """Parameters of normalization layers."""
    return {
        f"{prefix}.{name}"
        for prefix, module in model.named_modules()
        if isinstance(module, NORMS)
        for name, _ in module.named_parameters(recurse=False)
    }


def trained_parameters(model: nn.Module) -> int:
    """How many numbers training changes. The release keeps frozen norms as buffers; here they are not trained."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def assert_trained_as_the_paper(name: str) -> None:
    """Each parameter is frozen, or has the learning rate and the weight decay that the paper gives it."""
    model, schedule = built(name), schedule_of(name)
    frozen = {key for key, parameter in model.named_parameters() if not parameter.requires_grad}
    if schedule is RESNET:
        # Every norm of a ResNet, its statistics too, and nothing else.
        assert frozen == {f"backbone.{key}" for key in norm_names(model.backbone)}
        assert not any(module.training for module in model.backbone.modules() if isinstance(module, _BatchNorm))
    else:
        assert not frozen
    wrapper = build_optim_wrapper(model, config(name).optim_wrapper)
    assert isinstance(wrapper.optimizer, torch.optim.AdamW)
    assert wrapper.clip_grad_kwargs == dict(max_norm=0.01, norm_type=2)

    names = {parameter: key for key, parameter in model.named_parameters()}
    undecayed = norm_names(model)
    undecayed |= {key for key in names.values() if "query_embed" in key or "relative_position_bias_table" in key}
    trained = set(names.values()) - frozen
    groups = {names[p]: group for group in wrapper.optimizer.param_groups for p in group["params"]}
    multiplier = {key: schedule.backbone_multiplier if key.startswith("backbone.") else 1 for key in trained}
    assert {key: group["lr"] for key, group in groups.items()} == approx(
        {key: schedule.learning_rate * multiplier[key] for key in trained}
    )
    assert {key: group["weight_decay"] for key, group in groups.items()} == approx(
        {key: 0 if key in undecayed else schedule.weight_decay for key in trained}
    )


def learning_rates(schedulers: list[dict], iterations: int) -> list[float]:
    """What a base learning rate of 1 is at each of the first iterations."""
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=1.0)
    built_ones = [
        PARAM_SCHEDULERS.build(dict(scheduler), default_args=dict(optimizer=optimizer)) for scheduler in schedulers
    ]
    rates = []
    for _ in range(iterations):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for scheduler in built_ones:
            scheduler.step()
    return rates


def warm_up(iteration: int, length: int) -> float:
    """The paper's factor of the learning rate: from 1e-6 to 1 over the first ``length`` iterations; 1 for 0 of them."""
    ramp = min(1.0, iteration / length) if length else 1.0
    return 1e-6 * (1 - ramp) + ramp
