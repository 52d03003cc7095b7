"""Trains a list of configs with several seeds and keeps the results: can be stopped and started again at any time.

    python tools/analysis_tools/run_experiments.py docs/measurements/shapes.json            # train what is missing
    python tools/analysis_tools/run_experiments.py docs/measurements/shapes.json --table    # print means over seeds

The file has a list of ``runs`` (name, config, options as for ``--cfg-options``, seeds) and a list of ``rows``, one per
finished training. A training whose row is there is skipped; a training that was stopped goes on at its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.files import atomic_open

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """A config that is trained with some seeds.

    Attributes:
        name: of the row in the table.
        config: path from the root of the checkout.
        options: KEY=VALUE as for ``--cfg-options``.
        seeds: one training each.
    """

    name: str
    config: str
    options: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)

    @classmethod
    def from_json(cls, content: Any, source: Path) -> Run:
        """From an entry of the file.

        Raises:
            UserError: a key is missing or unknown, or the config does not exist.
        """
        known = set(cls.__dataclass_fields__)
        if not isinstance(content, dict) or not {"name", "config"} <= set(content) <= known:
            raise UserError(f"{source}: a run has the keys {', '.join(sorted(known))}, got {content}")
        if not (ROOT / content["config"]).is_file():
            raise UserError(f"{source}: run {content['name']!r} names {content['config']}, which does not exist")
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in content.items()})


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train configs with several seeds and keep the results")
    parser.add_argument("file", type=Path, help="JSON file with runs and rows")
    parser.add_argument("--names", nargs="+", help="only these runs")
    parser.add_argument("--seeds", nargs="+", type=int, help="only these seeds")
    parser.add_argument("--work-root", type=Path, default=Path("work_dirs/experiments"), help="checkpoints and logs")
    parser.add_argument("--table", action="store_true", help="print the means of the rows and train nothing")
    return parser.parse_args()


def read(path: Path) -> dict[str, Any]:
    """The file's content.

    Raises:
        UserError: it is missing or not such a file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: it is a JSON file with a list of runs and a list of rows") from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("runs"), list):
        raise UserError(f"{path} has no list of runs")
    content.setdefault("rows", [])
    return content


def train(run: Run, seed: int, work_dir: Path) -> dict[str, Any]:
    """The row of one training.

    Raises:
        UserError: it failed; names its log.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    options = [f"randomness.seed={seed}", *run.options]
    command = [sys.executable, "tools/train.py", run.config, "--work-dir", str(work_dir.resolve()), "--resume"]
    start = time.monotonic()
    with open(work_dir / "console.log", "ab") as log:
        # As in launch.sh: threads that wait in a busy loop take the cores from other processes.
        environment = {"GOMP_SPINCOUNT": "1000", **os.environ}
        command += ["--cfg-options", *options]
        done = subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=environment)
    if done.returncode:
        raise UserError(f"{run.name}, seed {seed}: the training failed, see {work_dir / 'console.log'}")
    curve, resumed = curve_of(work_dir)
    row = dict(name=run.name, seed=seed, config=run.config, options=list(run.options), metrics=curve[-1][1])
    if len(curve) > 1:
        row["curve"] = curve
    # The time of a training that was stopped is not known.
    return {**row, "minutes": None if resumed else round((time.monotonic() - start) / 60, 1), **machine()}


def curve_of(work_dir: Path) -> tuple[list[tuple[int, dict[str, float]]], bool]:
    """Metrics of each validation by iteration, and whether the training was resumed."""
    found: dict[int, dict[str, float]] = {}
    logs = sorted(work_dir.glob("*/vis_data/scalars.json"))
    for log in logs:
        for line in log.read_text(encoding="utf-8").splitlines():
            scalars = json.loads(line)
            if "loss" not in scalars:
                step = scalars.pop("step")
                found[step] = {key: value for key, value in scalars.items() if key not in ("time", "data_time")}
    if not found:
        raise UserError(f"{work_dir} has no validation: does the config validate at its end?")
    return sorted(found.items()), len(logs) > 1


def machine() -> dict[str, str]:
    """What the numbers depend on besides config and seed."""
    import torch

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (model := re.search(r"model name\s*: (.*)", cpuinfo.read_text())):
        processor = model[1]
    return dict(commit=commit.stdout.strip() or "unknown", torch=torch.__version__, processor=processor)


def table(content: dict[str, Any], metrics: list[str]) -> str:
    """Markdown: one line per run with the mean over its seeds and, in brackets, the smallest and the largest."""
    lines = ["| run | seeds | " + " | ".join(metrics) + " |", "|---|---|" + "---|" * len(metrics)]
    for name in dict.fromkeys(row["name"] for row in content["rows"]):
        rows = [row for row in content["rows"] if row["name"] == name]
        cells = []
        for metric in metrics:
            values = [row["metrics"][metric] for row in rows if metric in row["metrics"]]
            spread = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
            cells.append(f"{mean(values):.2f}{spread}" if values else "-")
        lines.append(f"| {name} | {len(rows)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    args = parse_args()
    content = read(args.file)
    if args.table:
        print(table(content, content.get("metrics") or ["mIoU", "PQ_st"]))
        return
    runs = [Run.from_json(run, args.file) for run in content["runs"]]
    if args.names and (unknown := set(args.names) - {run.name for run in runs}):
        raise UserError(f"{args.file} has no run {sorted(unknown)[0]!r}, only {', '.join(run.name for run in runs)}")
    # Seed by seed, so that a table of all runs with one seed is there first.
    wanted = [(run, seed) for seed in sorted({seed for run in runs for seed in run.seeds}) for run in runs]
    for run, seed in wanted:
        if seed not in run.seeds or (args.names and run.name not in args.names):
            continue
        if args.seeds and seed not in args.seeds:
            continue
        if any(row["name"] == run.name and row["seed"] == seed for row in content["rows"]):
            print(f"{run.name}, seed {seed}: there already", flush=True)
            continue
        print(f"{run.name}, seed {seed}: training", flush=True)
        row = train(run, seed, args.work_root / args.file.stem / f"{run.name}_seed{seed}")
        # Another process may have added rows in the meantime.
        content = read(args.file)
        content["rows"].append(row)
        with atomic_open(args.file, "w", encoding="utf-8") as file:
            file.write(json.dumps(content, indent=1) + "\n")
        print(f"{run.name}, seed {seed}: {row['metrics']}", flush=True)


if __name__ == "__main__":
    with one_line_errors():
        main()
