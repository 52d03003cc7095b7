"""Trains a model: ``python tools/train.py CONFIG``."""

from __future__ import annotations

import argparse

from mmengine.runner import Runner

from mmmaskformer import runs, safeguards
from mmmaskformer.engine import leave_cpu_process_group
from mmmaskformer.errors import one_line_errors
from mmmaskformer.runs import arguments
from mmmaskformer.zoo import find_checkpoint


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a model")
    parser.add_argument("config", help="config file")
    parser.add_argument("--work-dir", help="folder for logs and checkpoints (default: work_dirs/<config's name>)")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="go on from a checkpoint; without a value, or with 'auto', from the last one in the work folder",
    )
    parser.add_argument("--amp", action="store_true", help="mixed precision: fp16 on a GPU, bf16 on the CPU")
    arguments.add_cfg_options(parser)
    arguments.add_launcher(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    safeguards.install()
    arguments.set_local_rank(args)
    cfg = runs.load_config(args.config, args.cfg_options)
    cfg.work_dir = args.work_dir or cfg.work_dir
    runs.check_work_dir(cfg)
    used = ("train_dataloader", "val_dataloader")
    runs.check_sizes(cfg)
    runs.check_data_paths(cfg, used)
    runs.check_categories(cfg, used)
    runs.sync_dataset_meta(cfg, used)
    runs.resume_from(cfg, args.resume)
    if cfg.get("load_from"):
        cfg.load_from = find_checkpoint(cfg.load_from)
        runs.check_checkpoint_exists(cfg.load_from, "load_from")
    if args.amp:
        runs.use_amp(cfg)
    runs.prepare_for_device(cfg, args.launcher)
    runner = Runner.from_cfg(cfg)
    if cfg.get("load_from"):
        runs.check_checkpoint_fits(runs.bare_model(runner), cfg.load_from, whole=cfg.get("resume", False))
    if cfg.get("load_from") and cfg.get("resume"):
        runs.check_can_resume(runner, cfg.load_from)
    runner.train()
    leave_cpu_process_group()


if __name__ == "__main__":
    with one_line_errors():
        main()
