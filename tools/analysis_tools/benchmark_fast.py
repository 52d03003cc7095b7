"""The fast model against the paper's with as many layers: same backbone and batch, alternating in one run.

Prints medians and ratios (fast / paper's) for ResNet-50 at 512x512 with 150 classes and for the small recipe of CamVid
at 256x256: a training step of the whole model and of the head, the head's memory in a training step, and the
prediction of one image by the whole model and by the head. ``--json FILE`` also writes them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from benchmark_head import alternate, prediction, samples, training_step
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmengine.registry import MODELS, init_default_scope
from mmseg.structures import SegDataSample
from torch import Tensor

from mmmaskformer.analysis.measure import peak_megabytes
from mmmaskformer.files import atomic_open
from mmmaskformer.runs import load_config

ROOT = Path(__file__).resolve().parents[2]
SIDES = {"fast": "maskformer_fast/maskformer-fast", "paper": "maskformer/maskformer"}


@dataclass(frozen=True)
class Setting:
    """What is measured: a pair of configs, the side of its square images, and images per training step."""

    name: str
    size: int
    batch: int


SETTINGS = {"r50": Setting("r50_ade20k", 512, 2), "small": Setting("efficientnet-lite0_camvid", 256, 8)}


def build(side: str, setting: Setting, device: torch.device) -> BaseModel:
    """A model with random weights and without dropout."""
    cfg = load_config(ROOT / "configs" / f"{SIDES[side]}_{setting.name}.py")
    init_default_scope("mmseg")
    cfg.model.backbone.pop("init_cfg", None)
    if cfg.model.backbone.type == "mmmaskformer.TimmBackbone":
        cfg.model.backbone.pretrained = None
    cfg.model.decode_head.transformer_decoder.dropout = 0.0
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    return model.to(device)


def batch_of(model: BaseModel, setting: Setting, device: torch.device) -> tuple[Tensor, list[SegDataSample]]:
    """Random images and label maps of nine classes each."""
    size, classes = setting.size, model.decode_head.num_classes
    images = torch.randn(setting.batch, 3, size, size, generator=torch.Generator().manual_seed(0))
    return images.to(device), samples(setting.batch, size, size, classes, device)


def whole_training_step(model: BaseModel, images: Tensor, batch: list[SegDataSample]) -> Callable:
    def step() -> None:
        sum(model.loss(images, batch).values()).backward()
        model.zero_grad(set_to_none=True)

    return step


def whole_prediction(model: BaseModel, images: Tensor, batch: list[SegDataSample]) -> Callable:
    @torch.no_grad()
    def predict() -> None:
        model.predict(images, batch)

    return predict


def steps_of(model: BaseModel, setting: Setting, device: torch.device) -> dict[str, Callable]:
    """What is timed, by its name; training first, since prediction puts the model into evaluation."""
    images, batch = batch_of(model, setting, device)
    with torch.no_grad():
        features = [feature.detach() for feature in model.extract_feat(images)]
    first = [feature[:1] for feature in features]
    return {
        "training step": whole_training_step(model, images, batch),
        "head's training step": training_step(model.decode_head, features, batch),
        "prediction": whole_prediction(model, images[:1], batch[:1]),
        "head's prediction": prediction("ours", model.decode_head, first, batch[:1]),
    }


def head_memory(side: str, setting: Setting, device: torch.device) -> float:
    """MB of a training step of the head over the resting process."""
    model = build(side, setting, device).train()
    images, batch = batch_of(model, setting, device)
    with torch.no_grad():
        features = [feature.detach() for feature in model.extract_feat(images)]
    return peak_megabytes(training_step(model.decode_head, features, batch), device)


def memory_in_own_process(side: str, setting: str, args: argparse.Namespace) -> float:
    command = [sys.executable, __file__, "--measure", side, setting, "--device", args.device]
    command += ["--threads", str(args.threads)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ).stdout
    return float(output.strip().splitlines()[-1])


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5, help="alternating pairs per timing, after one warm-up")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.pairs < 1:
        parser.error("--pairs must be at least 1")
    return args


def main() -> None:
    args = parse_args()
    MMLogger.get_instance("mmengine", log_level="WARNING")  # or each parameter's initialization is printed
    device = torch.device(args.device)
    torch.set_num_threads(args.threads)
    if args.measure:
        print(head_memory(args.measure[0], SETTINGS[args.measure[1]], device))
        return
    figures: dict[str, float] = {}

    def report(setting: str, name: str, unit: str, values: dict[str, float], ratio: float) -> None:
        figures[f"{setting}: {name}"] = ratio
        sides = " ".join(f"{side} {values[side]:9.3f} {unit}" for side in SIDES)
        print(f"{setting:6s} {name:22s} {sides}  ratio {ratio:.3f}", flush=True)

    for name in args.settings:
        models = {side: build(side, SETTINGS[name], device) for side in SIDES}
        steps = {side: steps_of(model, SETTINGS[name], device) for side, model in models.items()}
        for what in steps["fast"]:
            for model in models.values():
                model.train("training" in what)
            times = alternate({side: steps[side][what] for side in SIDES}, args.pairs, device)
            report(name, what, "s", times, times["ratio"])
        memory = {side: memory_in_own_process(side, name, args) for side in SIDES}
        report(name, "head's training memory", "MB", memory, memory["fast"] / memory["paper"])
    if args.json:
        with atomic_open(args.json, "w") as file:
            file.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
