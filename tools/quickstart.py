"""Trains and evaluates on Shapes, with progress a newcomer can read: the Python half of ``tools/quickstart.sh``."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmseg.evaluation import IoUMetric

from mmmaskformer import runs
from mmmaskformer.datasets.shapes import CLASSES, ShapesOptions, generate_shapes
from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.files import atomic_open
from mmmaskformer.runs import arguments

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "configs/maskformer_fast/maskformer-fast_efficientnet-lite0_shapes.py"
WORK_DIR = Path("work_dirs/quickstart")
REPORTED_VERSIONS = ("mmmaskformer", "torch", "mmengine", "mmseg", "timm", "numpy")
LOGGED = re.compile(r"Iter\((train|val|test)\)\s+\[\s*(\d+)/(\d+)\]\s+(.*)")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Draw the Shapes data set, train a small MaskFormer on it, evaluate it and draw what it sees. "
        "Every run trains anew and replaces the last one's folder."
    )
    parser.add_argument("--work-dir", type=Path, default=ROOT / WORK_DIR, help=f"default: {WORK_DIR}")
    parser.add_argument("--iterations", type=int, help="train for another number of iterations than the config's")
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="override settings of the config"
    )
    args = parser.parse_args()
    if args.iterations is not None and args.iterations < 1:
        parser.error(f"--iterations is {args.iterations}, must be at least 1")
    return args


def main() -> None:
    args = parse_args()
    work_dir = shortest(args.work_dir.resolve())
    os.chdir(ROOT)
    # The shell half starts the clock before it makes the environment.
    started = float(os.environ.get("QUICKSTART_STARTED", time.time()))
    seconds = {"environment": time.time() - started}
    options = [*shorter_schedule(args.iterations), *args.cfg_options]
    overrides = ["--cfg-options", *options] if options else []
    cfg = resolved_config(options)
    empty(work_dir)

    data = cfg.val_dataloader.dataset
    announce(2, f"draw the Shapes data set into {data.data_root}")
    begun = time.time()
    if not generate_shapes(data.data_root, ShapesOptions(**data.generate)):
        print("it is there already")
    seconds["data"] = time.time() - begun

    announce(3, f"train a small MaskFormer for {cfg.train_cfg.max_iters} iterations")
    seconds["training"] = run(
        work_dir / "train.log", ["tools/train.py", CONFIG, "--work-dir", str(work_dir), *overrides]
    )

    announce(4, "evaluate it and draw image | truth | prediction")
    checkpoint = work_dir / f"iter_{cfg.train_cfg.max_iters}.pth"
    folders = {name: str(work_dir / name) for name in ("test", "label_maps", "pictures")}
    seconds["evaluation"] = run(
        work_dir / "test.log",
        ["tools/test.py", CONFIG, str(checkpoint), "--work-dir", folders["test"], "--out", folders["label_maps"]]
        + ["--show-dir", folders["pictures"], *overrides],
    )
    metrics = json.loads(next(Path(folders["test"]).glob("*/*.json")).read_text())
    truth = Path(data.data_root, data.data_prefix.seg_map_path)
    summary = {
        "mIoU": round(metrics["mIoU"] / 100, 4),
        "pixel_accuracy": round(metrics["aAcc"] / 100, 4),
        "IoU": class_ious(Path(folders["label_maps"]), truth),
        "iterations": cfg.train_cfg.max_iters,
        "seconds": round(time.time() - started, 1),
        "seconds_of_steps": {step: round(taken, 1) for step, taken in seconds.items()},
        "config": CONFIG,
        "checkpoint": str(checkpoint),
        "pictures": folders["pictures"],
        "versions": {name: import_module(name).__version__ for name in REPORTED_VERSIONS},
        "threads": torch.get_num_threads(),
    }
    with atomic_open(work_dir / "summary.json", "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=2)
    print_summary(summary, work_dir, len(list(truth.glob("*.png"))))


def shorter_schedule(iterations: int | None) -> list[str]:
    """Overrides that train for ``iterations`` instead of what the config says, a tenth of them to warm up."""
    if iterations is None:
        return []
    warm_up = max(1, iterations // 10)
    lengths = ("train_cfg.max_iters", "train_cfg.val_interval", "default_hooks.checkpoint.interval")
    return [
        *(f"{key}={iterations}" for key in lengths),
        f"param_scheduler.0.end={warm_up}",
        f"param_scheduler.1.begin={warm_up}",
        f"param_scheduler.1.end={max(iterations, warm_up + 1)}",
    ]


def resolved_config(options: list[str]) -> Config:
    """The config as the tools will read it."""
    parser = argparse.ArgumentParser()
    arguments.add_cfg_options(parser)
    parsed = parser.parse_args(["--cfg-options", *options] if options else [])
    return runs.load_config(CONFIG, parsed.cfg_options)


def announce(step: int, what: str) -> None:
    """The heading of a step."""
    print(f"\n[{step}/4] {what}", flush=True)


def shortest(path: Path) -> Path:
    """The path as seen from the checkout, where it lies below it."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def empty(work_dir: Path) -> None:
    """Removes what an earlier run left, so that nothing of it can pass for this one's.

    Raises:
        UserError: the folder holds something, but no quickstart.
    """
    if work_dir.is_dir() and any(work_dir.iterdir()) and not (work_dir / "train.log").is_file():
        raise UserError(f"--work-dir {work_dir} holds other things than a quickstart; give a folder of its own")
    shutil.rmtree(work_dir, ignore_errors=True)
    work_dir.mkdir(parents=True)


def run(log: Path, command: list[str]) -> float:
    """Runs a tool, shows its progress in short lines and keeps its whole output in ``log``.

    Returns:
        Seconds.

    Raises:
        UserError: it failed; the end of its output was shown.
    """
    print("$ python", *command, flush=True)
    last = deque(maxlen=15)
    begun = time.time()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with process, open(log, "w", encoding="utf-8") as file:
        try:
            for line in process.stdout:
                file.write(line)
                last.append(line)
                for short in progress(line, time.time() - begun):
                    print(short, flush=True)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        print("".join(last), file=sys.stderr)
        raise UserError(f"{command[0]} ended with status {process.returncode}; its whole output is in {log}")
    return time.time() - begun


def progress(line: str, elapsed: float) -> Iterator[str]:
    """What a newcomer wants to know of a line of MMEngine's log: how far, how good, how much longer.

    Args:
        line: a line of the log.
        elapsed: seconds since the tool was started.
    """
    found = LOGGED.search(line)
    if found is None:
        return
    what, done, total, rest = found.group(1), int(found[2]), int(found[3]), found[4]
    values = dict(re.findall(r"(eta|loss|mIoU):\s+(\S+)", rest))
    if "mIoU" in values:
        yield f"  mIoU on the validation images: {float(values['mIoU']) / 100:.3f}"
    elif what == "train":
        left = f"about {minutes(_seconds(values['eta']))} left" if done < total else f"done in {minutes(elapsed)}"
        yield f"  iteration {done:>4}/{total}   loss {float(values['loss']):6.3f}   {left}"
    elif what == "test":
        yield f"  image {done}/{total}"


def _seconds(clock: str) -> float:
    """Seconds of "0:03:12"."""
    return sum(float(part) * unit for part, unit in zip(reversed(clock.split(":")), (1, 60, 3600)))


def minutes(seconds: float) -> str:
    """Seconds for people."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


def class_ious(predictions: Path, truths: Path) -> dict[str, float | None]:
    """IoU of every class over all label maps of a folder; None for a class that is nowhere."""
    areas = []
    for file in sorted(truths.glob("*.png")):
        prediction, truth = (
            torch.from_numpy(cv2.imread(str(folder / file.name), cv2.IMREAD_UNCHANGED))
            for folder in (predictions, truths)
        )
        areas.append(IoUMetric.intersect_and_union(prediction, truth, len(CLASSES), 255)[:2])
    intersection, union = (sum(parts).numpy() for parts in zip(*areas))
    with np.errstate(invalid="ignore"):
        ious = intersection / union
    return {name: None if np.isnan(iou) else round(float(iou), 4) for name, iou in zip(CLASSES, ious)}


def print_summary(summary: dict, work_dir: Path, images: int) -> None:
    """The short table at the end."""
    print(f"\nShapes, {images} validation images\n\n  class        IoU\n  ----------------")
    for name, iou in summary["IoU"].items():
        print(f"  {name:<10} {'     -' if iou is None else f'{iou:6.3f}'}")
    print(f"  ----------------\n  {'mIoU':<10} {summary['mIoU']:6.3f}\n")
    steps = ", ".join(f"{step} {minutes(taken)}" for step, taken in summary["seconds_of_steps"].items())
    print(f"{summary['iterations']} iterations; {minutes(summary['seconds'])} in all: {steps}")
    print(f"pictures (image | truth | prediction):  {summary['pictures']}/")
    print(f"these numbers:                          {work_dir / 'summary.json'}")
    python = os.path.relpath(sys.executable) if Path(sys.executable).is_relative_to(ROOT) else sys.executable
    print(f"your own images:  {python} tools/infer.py IMAGES --config {CONFIG} \\")
    print(f"                      --checkpoint {summary['checkpoint']} --out-dir work_dirs/infer")


if __name__ == "__main__":
    with one_line_errors():
        main()
