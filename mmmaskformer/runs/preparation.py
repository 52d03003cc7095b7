"""What train.py and test.py share between reading the config and starting the Runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner
from torch import nn

from mmmaskformer.engine.distributed import (
    check_gpu_of_this_process,
    end_with_launcher,
    has_gpu,
    init_cpu_process_group,
)
from mmmaskformer.errors import UserError
from mmmaskformer.registry import class_in_config
from mmmaskformer.runs.config import as_list, walk
from mmmaskformer.runs.dataset_info import iterate_datasets

CPU_AMP = "mmmaskformer.CPUAmpOptimWrapper"
OUR_TTA = "mmmaskformer.SemanticTTAModel"


def use_amp(cfg: Config) -> None:
    """Switches the optimizer wrapper to mixed precision: fp16 with loss scaling on a GPU, bf16 on the CPU.

    Raises:
        UserError: The config has an optimizer wrapper of another kind.
    """
    wrapper = cfg.optim_wrapper
    kind = wrapper.get("type", "OptimWrapper")
    if kind == "OptimWrapper":
        wrapper.type = "AmpOptimWrapper"
        wrapper.loss_scale = "dynamic"
    elif kind not in ("AmpOptimWrapper", CPU_AMP):
        raise UserError(f"--amp replaces optim_wrapper.type 'OptimWrapper', but the config has {kind!r}")


def prepare_for_device(cfg: Config, launcher: str) -> None:
    """Set what a run with ``launcher`` needs on this machine; without GPUs, also join the process group.

    Args:
        cfg: The config, changed in place.
        launcher: ``"none"``, ``"pytorch"``, ``"slurm"`` or ``"mpi"``.

    Raises:
        UserError: This machine has GPUs, but fewer than it has processes.
    """
    cfg.launcher = launcher
    if launcher == "pytorch":
        end_with_launcher()
    if has_gpu():
        check_gpu_of_this_process(launcher)
        return
    wrapper = cfg.get("optim_wrapper")
    if wrapper is not None and wrapper.get("type") == "AmpOptimWrapper":
        wrapper.type = CPU_AMP
        for only_on_gpu in ("loss_scale", "dtype", "use_fsdp"):
            wrapper.pop(only_on_gpu, None)
    if launcher == "none":
        return
    init_cpu_process_group(launcher)
    # Without devices, DDP needs device_ids=None, and SyncBN has no CPU kernel.
    cfg.model_wrapper_cfg = dict(
        type="MMDistributedDataParallel",
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get("find_unused_parameters", False),
    )
    replaced = 0
    for owner, _ in walk(cfg.get("model"), "model"):
        if owner.get("type") == "SyncBN":
            owner.type = "BN"
            replaced += 1
    if replaced:
        print_log(f"SyncBN does not run on the CPU: BN instead in {replaced} places", logger="current", level=30)


def use_tta(cfg: Config) -> None:
    """Wrap the model for test-time augmentation.

    Raises:
        UserError: The config has no ``tta_pipeline``, or its model gives out segments, which cannot be averaged.
    """
    if "panoptic_head" in cfg.model:
        raise UserError("--tta averages class scores, which this config's model with a panoptic_head does not give out")
    if "tta_pipeline" not in cfg:
        raise UserError("--tta needs a tta_pipeline in the config, with the scales and flips to average over")
    for dataset in iterate_datasets(cfg.test_dataloader):
        dataset.pipeline = cfg.tta_pipeline
    tta_model = cfg.get("tta_model") or dict(type=OUR_TTA)
    if _puts_softmax_on_probabilities(tta_model, as_list(cfg.model.get("decode_head"))):
        # What stands in the runtime that every mmseg config inherits.
        print_log(f"tta_model: {OUR_TTA} in place of {tta_model['type']}, which would put a softmax on probabilities")
        tta_model = {**tta_model, "type": OUR_TTA}
    cfg.model = dict(tta_model, module=cfg.model)


def _puts_softmax_on_probabilities(tta_model: Mapping, heads: Sequence[Mapping]) -> bool:
    from mmseg.models.segmentors import SegTTAModel

    from mmmaskformer.seg.scores import PROBABILITY, score_kind

    head = class_in_config(MODELS, heads[-1]) if heads else None
    return head is not None and class_in_config(MODELS, tta_model) is SegTTAModel and score_kind(head) == PROBABILITY


def bare_model(runner: Runner) -> nn.Module:
    """Return the model without wrappers: what a checkpoint's names refer to."""
    model: Any = runner.model
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model
