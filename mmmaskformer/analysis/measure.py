"""Seconds and memory of code that runs."""

from __future__ import annotations

import ctypes
import gc
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from statistics import median

import torch
from mmengine.config import Config
from mmengine.runner import Runner

WARM_UP = 4  # iterations of a training before those that are timed: the loader fills, kernels are chosen


def median_seconds(run: Callable, runs: int, device: torch.device) -> float:
    """Median time of a call over ``runs`` calls, after one that does not count."""
    seconds = []
    for index in range(runs + 1):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if index:
            seconds.append(time.perf_counter() - start)
    return median(seconds)


def training_seconds(cfg: Config, iterations: int) -> float:
    """Median seconds of an iteration of the config's own training, loading and all, after a few that do not count.

    Args:
        cfg: of a training whose data is there; left as it is.
        iterations: how many to time.
    """
    cfg = deepcopy(cfg)
    last = WARM_UP + iterations
    cfg.train_cfg = dict(type="IterBasedTrainLoop", max_iters=last, val_interval=last + 1)
    for key in ("dataloader", "cfg", "evaluator"):
        cfg[f"val_{key}"] = cfg[f"test_{key}"] = None
    cfg.default_hooks = dict(checkpoint=None, logger=dict(type="LoggerHook", interval=last + 1))
    with tempfile.TemporaryDirectory() as cfg.work_dir:
        runner = Runner.from_cfg(cfg)
        runner.train()
        seconds, _ = runner.message_hub.get_scalar("train/time").data
    return median(seconds[WARM_UP:].tolist())


def peak_megabytes(run: Callable, device: torch.device) -> float:
    """Peak memory of ``run`` over what the process holds before it, in MB: of the allocator on a GPU, else resident."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        resting = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        return (torch.cuda.max_memory_allocated() - resting) / 1e6
    return_freed_memory()
    # "5" resets the kernel's high-water mark of the resident set.
    Path("/proc/self/clear_refs").write_text("5")
    resting = _status_kilobytes("VmRSS")
    run()
    return (_status_kilobytes("VmHWM") - resting) / 1e3


def return_freed_memory() -> None:
    """Have the allocator give back what is free, or ``run`` would take it unseen. Only glibc's can be asked."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _status_kilobytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])
