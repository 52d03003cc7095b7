"""Command-line arguments that several tools take, with one wording and one meaning."""

from __future__ import annotations

import argparse
import os

from mmengine.config import DictAction


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options KEY=VALUE ...``, for :func:`mmmaskformer.runs.load_config`."""
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE", help="override settings of the config"
    )


def add_test_folders(parser: argparse.ArgumentParser) -> None:
    """Add where an evaluation writes: ``--work-dir``, ``--out`` and ``--show-dir``."""
    parser.add_argument("--work-dir", help="folder for logs and metrics (default: work_dirs/<config's name>)")
    parser.add_argument(
        "--out", metavar="DIR", help="write predictions there: label maps, or COCO's panoptic or instance format"
    )
    parser.add_argument("--show-dir", metavar="DIR", help="write pictures of truth and prediction there")


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Add ``--launcher``, and what launchers say to each process."""
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help="set by launchers")


def set_local_rank(args: argparse.Namespace) -> None:
    """Pass ``--local_rank`` on to MMEngine, which reads the environment variable that torchrun sets."""
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
