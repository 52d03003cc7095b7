"""Evaluates a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``."""

from __future__ import annotations

import argparse

from mmengine.runner import Runner

from mmmaskformer import apis, runs, safeguards
from mmmaskformer.engine import leave_cpu_process_group
from mmmaskformer.errors import one_line_errors
from mmmaskformer.runs import arguments
from mmmaskformer.zoo import find_checkpoint


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Evaluate a checkpoint on the test data set of a config")
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint file, or the name of a model with published weights")
    arguments.add_test_folders(parser)
    parser.add_argument("--tta", action="store_true", help="average over the scales and flips of the config")
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
    runs.check_output_folders(cfg, {"--out": args.out, "--show-dir": args.show_dir})
    args.checkpoint = find_checkpoint(args.checkpoint)
    runs.check_checkpoint_exists(args.checkpoint, "checkpoint")
    runs.check_sizes(cfg)
    runs.check_data_paths(cfg, ["test_dataloader"])
    runs.check_categories(cfg, ["test_dataloader"])
    runs.sync_dataset_meta(cfg, ("train_dataloader", "test_dataloader"))
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.tta:
        runs.use_tta(cfg)
    if args.out:
        apis.write_predictions(cfg, args.out)
    if args.show_dir:
        apis.draw_predictions(cfg, args.show_dir)
    runs.prepare_for_device(cfg, args.launcher)
    runner = Runner.from_cfg(cfg)
    runs.check_checkpoint_fits(runs.bare_model(runner), args.checkpoint)
    runner.test()
    leave_cpu_process_group()


if __name__ == "__main__":
    with one_line_errors():
        main()
