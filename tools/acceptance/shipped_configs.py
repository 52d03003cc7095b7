"""Loads every config that mmseg and mmdet ship, and runs our checks on it: none may be refused.

``python tools/acceptance/shipped_configs.py`` takes the configs of the installed packages. On each it runs what
``tools/train.py`` and ``tools/test.py`` run before they build a Runner, except looking for data and checkpoints. It
prints a table and exits with status 1 if a check refuses a config. Configs that MMEngine itself cannot load are counted
apart.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import logging
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

PACKAGES = ("mmseg", "mmdet")
OUTCOMES = ("accepted", "refused", "not loaded", "fragment")


@dataclass
class Outcome:
    """What came of one config.

    Attributes:
        config: its path below the package's folder of configs, as ``mmseg::PATH``.
        kind: one of :data:`OUTCOMES`; a fragment is a file without a model or without data.
        message: the error, empty where there is none.
    """

    config: str
    kind: str
    message: str = ""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, help="take only so many configs, evenly spread (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    names = shipped()
    if args.cases:
        names = names[:: max(1, len(names) // args.cases)]
    begun = time.time()
    with ProcessPoolExecutor(args.workers, get_context("fork"), initializer=prepare) as pool:
        outcomes = list(pool.map(check, names, chunksize=8))
    print(report(outcomes), end="")
    print(f"{time.time() - begun:.0f} s")
    return int(any(outcome.kind == "refused" for outcome in outcomes))


def shipped() -> list[str]:
    """Every config file of the installed packages, without the parts in ``_base_`` folders, as ``PACKAGE::PATH``."""
    names = []
    for package in PACKAGES:
        folder = Path(importlib.util.find_spec(package).origin).parent / ".mim" / "configs"
        paths = (path.relative_to(folder) for path in sorted(folder.rglob("*.py")))
        names += [f"{package}::{path.as_posix()}" for path in paths if "_base_" not in path.parts]
    return names


def prepare() -> None:
    """Makes a worker quiet and fills the registries."""
    import mmmaskformer  # noqa: F401 (before mmseg and mmdet)

    logging.disable(logging.WARNING)
    for package in PACKAGES:
        importlib.import_module(f"{package}.utils").register_all_modules(init_default_scope=False)


def check(name: str) -> Outcome:
    """Loads a config as the tools do and checks it for training and for testing."""
    from mmengine.config import Config

    from mmmaskformer.runs.config import shipped_config

    try:
        cfg = Config.fromfile(shipped_config(name) if "::" in name else name)
    except Exception as error:  # a config is code, which may raise anything
        return Outcome(name, "not loaded", one_line(error))
    if "model" not in cfg or not any(f"{split}_dataloader" in cfg for split in ("train", "val", "test")):
        return Outcome(name, "fragment")
    for purpose in (for_training, for_testing):
        try:
            with redirect_stdout(io.StringIO()):  # to which MMEngine logs before there is a Runner
                purpose(name)
        except Exception as error:  # whatever it is, a user of this config would see it
            return Outcome(name, "refused", f"{purpose.__name__.replace('_', ' ')}: {one_line(error)}")
    return Outcome(name, "accepted")


def for_training(name: str) -> None:
    """What ``tools/train.py`` does before it builds a Runner, without looking for files."""
    from mmmaskformer import runs

    cfg = runs.load_config(name)
    used = ("train_dataloader", "val_dataloader")
    runs.check_work_dir(cfg)
    runs.check_sizes(cfg)
    runs.check_categories(cfg, used)
    runs.sync_dataset_meta(cfg, used)
    runs.prepare_for_device(cfg, "none")


def for_testing(name: str) -> None:
    """What ``tools/test.py`` does before it builds a Runner, without looking for files."""
    from mmmaskformer import runs

    cfg = runs.load_config(name)
    runs.check_work_dir(cfg)
    runs.check_output_folders(cfg, {"--out": "predictions", "--show-dir": "pictures"})
    runs.check_sizes(cfg)
    runs.check_categories(cfg, ["test_dataloader"])
    runs.sync_dataset_meta(cfg, ("train_dataloader", "test_dataloader"))
    if "tta_pipeline" in cfg and "decode_head" in cfg.model:
        runs.use_tta(cfg)
    runs.prepare_for_device(cfg, "none")


def one_line(error: Exception) -> str:
    """Kind and text of an error."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def report(outcomes: list[Outcome]) -> str:
    """A table of the counts by package, then each config that was refused or not loaded."""
    counts = Counter((outcome.config.partition("::")[0], outcome.kind) for outcome in outcomes)
    lines = ["".join(f"{title:>12}" for title in ("", *OUTCOMES))]
    for package in PACKAGES:
        lines.append(f"{package:>12}" + "".join(f"{counts[package, kind]:12}" for kind in OUTCOMES))
    for kind in ("refused", "not loaded"):
        lines += [f"{kind}: {o.config}: {o.message}" for o in outcomes if o.kind == kind]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
