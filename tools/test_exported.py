"""Evaluates an exported model with a config's test data and metrics: ``python tools/test_exported.py CONFIG MODEL``."""

from __future__ import annotations

import argparse

from mmengine.config import Config
from mmengine.runner import Runner

from mmmaskformer import apis, runs, safeguards
from mmmaskformer.apis.outputs import OUTPUTS
from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.export import read_exported
from mmmaskformer.runs import arguments

# What a file has to have for each kind of output.
NEEDED = {"panoptic": "segment_map", "instance": "instance_masks", "semantic": "labels"}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Evaluate an exported model on the test data set of a config")
    parser.add_argument("config", help="config file")
    parser.add_argument("model", help="file that tools/export.py wrote; a .pt2 is a program that runs")
    arguments.add_test_folders(parser)
    arguments.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    safeguards.install()
    cfg = runs.load_config(args.config, args.cfg_options)
    cfg.work_dir = args.work_dir or cfg.work_dir
    runs.check_work_dir(cfg)
    runs.check_output_folders(cfg, {"--out": args.out, "--show-dir": args.show_dir})
    cfg.load_from, cfg.resume = None, False
    check_outputs(cfg, args.model)
    runs.check_data_paths(cfg, ["test_dataloader"])
    runs.check_categories(cfg, ["test_dataloader"])
    if args.out:
        apis.write_predictions(cfg, args.out)
    if args.show_dir:
        apis.draw_predictions(cfg, args.show_dir)
    cfg.model = dict(type="mmmaskformer.ExportedModel", path=args.model)
    runs.prepare_for_device(cfg, "none")
    Runner.from_cfg(cfg).test()


def check_outputs(cfg: Config, path: str) -> None:
    """Refuses a file without what the config's model predicts, which its metrics may read.

    Raises:
        UserError: the first kind of output that is missing.
    """
    outputs = read_exported(path).description["outputs"]
    test_cfg = cfg.model.get("test_cfg") or {}
    asked = ["semantic"]
    if "panoptic_head" in cfg.model:
        asked = [kind for kind in OUTPUTS if test_cfg.get(f"{kind}_on", kind == "panoptic")]
    for kind in asked:
        if NEEDED[kind] not in outputs:
            raise UserError(
                f"{path} gives {', '.join(outputs)}, but the config evaluates {kind} output: export it with --outputs, "
                f"or say --cfg-options model.test_cfg.{kind}_on=False and leave its metric out of test_evaluator"
            )


if __name__ == "__main__":
    with one_line_errors():
        main()
