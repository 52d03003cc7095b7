"""Compares models, ours or ``mmseg::...`` or ``mmdet::...``: ``python tools/analysis_tools/compare.py CONFIG...``.

Parameters are all of a model's. FLOPs are multiply-adds of convolutions, matrix products and attention for one image of
the recipe's crop, with the last layer's masks and the class product; "as run" is what our prediction does, which makes
few masks without per-pixel embeddings. Without configs: the paper's Table 1 and Table 3, beside the paper's figures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.transforms import Bbox
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import MODELS
from mmengine.runner import Runner
from paper_rows import TABLE_1, TABLE_1_COLUMNS, TABLE_3, TABLE_3_COLUMNS, TABLE_3_NOTE, PaperRow

from mmmaskformer import runs, safeguards
from mmmaskformer.analysis.complexity import complexity, input_size, new_sample
from mmmaskformer.analysis.measure import median_seconds, peak_megabytes, training_seconds
from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.files import atomic_open
from mmmaskformer.zoo import find_checkpoint

matplotlib.use("Agg")
CONFIGS = Path(__file__).resolve().parents[2] / "configs"
ACCURACY = ("mIoU", "PQ", "PQ_th", "PQ_st")
# Column of the Markdown table, key of the JSON, and how a value is written.
COLUMNS = [
    ("model", "model", "{}"), ("crop", "crop", "{0[0]}x{0[1]}"), ("params", "parameters", "{:.1f}M"),
    ("FLOPs", "flops", "{:.1f}G"), ("as run", "flops_as_run", "{:.1f}G"),
    ("images/s", "images_per_second", "{:.2f}"), ("peak memory", "peak_megabytes", "{:.0f} MB"),
    ("s/iteration", "training_seconds", "{:.2f}"),
    *((name, name, "{:.1f}") for name in ACCURACY),
    ("paper: params", "paper_parameters", "{}M"), ("paper: FLOPs", "paper_flops", "{}G"),
    ("difference", "flops_difference", "{:+.1%}"),
    *((f"paper: {name}", f"paper_{name}", "{:.1f}") for name in (*TABLE_1_COLUMNS, *TABLE_3_COLUMNS)),
]  # fmt: skip


def read_config(config: str) -> Config:
    """The config with as many classes as its data set has."""
    cfg = runs.load_config(config)
    runs.sync_dataset_meta(cfg, ("train_dataloader", "test_dataloader"))
    return cfg


def compare(
    config: str, args: argparse.Namespace, checkpoint: str | None = None, size: Sequence[int] | None = None
) -> dict:
    """One row: what ``COLUMNS`` calls by its keys."""
    print(f"{config} ...", file=sys.stderr, flush=True)
    cfg = read_config(config)
    size = tuple(size or args.size or input_size(cfg))
    cost = complexity(cfg, size)
    row = {
        "model": Path(config.rpartition("::")[2]).stem,
        "config": config,
        "crop": list(size),
        "parameters": cost.parameters / 1e6,
        "flops": cost.multiply_adds / 1e9,
        "flops_as_run": cost.multiply_adds_as_run / 1e9,
    }
    if args.speed or args.train_speed:
        row |= measure_in_own_process(config, size, args)
    if checkpoint is not None:
        row |= evaluate(cfg, checkpoint)
    return row


def measure_in_own_process(config: str, size: tuple[int, int], args: argparse.Namespace) -> dict:
    """Run this script for one model: what another has left in memory does not count."""
    command = [sys.executable, __file__, config, "--measure", "--size", *map(str, size), "--runs", str(args.runs)]
    command += ["--device", args.device, "--threads", str(args.threads), "--train-speed", str(args.train_speed)]
    command += ["--speed"] if args.speed else []
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    if done.returncode:
        raise UserError(f"{config} cannot be measured: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(cfg: Config, size: tuple[int, int], args: argparse.Namespace) -> dict:
    """What ``--speed`` and ``--train-speed`` ask for."""
    figures = {}
    if args.speed:
        figures |= measure_prediction(cfg, size, args)
    if args.train_speed:
        runs.check_data_paths(cfg, ["train_dataloader"])
        runs.prepare_for_device(cfg, "none")
        figures["training_seconds"] = training_seconds(cfg, args.train_speed)
    return figures


def measure_prediction(cfg: Config, size: tuple[int, int], args: argparse.Namespace) -> dict:
    """Images per second from image to label map or segments, and the peak of it over the loaded model."""
    torch.manual_seed(0)
    device = torch.device(args.device)
    model = MODELS.build(cfg.model).eval().to(device)
    image = torch.randn(1, 3, *size, device=device)

    @torch.no_grad()
    def predict() -> None:
        model(image, [new_sample(model, size)], mode="predict")

    seconds = median_seconds(predict, args.runs, device)
    return dict(images_per_second=1 / seconds, peak_megabytes=peak_megabytes(predict, device))


def evaluate(cfg: Config, checkpoint: str) -> dict[str, float]:
    """What the config's own evaluators say of a checkpoint on its test data."""
    checkpoint = find_checkpoint(checkpoint)
    runs.check_checkpoint_exists(checkpoint, "--checkpoints")
    runs.check_data_paths(cfg, ["test_dataloader"])
    cfg.load_from = checkpoint
    cfg.log_level = "WARNING"  # the table says it all
    runs.prepare_for_device(cfg, "none")
    runner = Runner.from_cfg(cfg)
    runs.check_checkpoint_fits(runs.bare_model(runner), checkpoint)
    found = {name.rpartition("/")[2]: value for name, value in runner.test().items()}
    return {name: float(found[name]) for name in ACCURACY if name in found}


def paper_table(rows: Sequence[PaperRow], columns: Sequence[str], args: argparse.Namespace) -> list[dict]:
    """The rows whose configs are there; says which are not."""
    table = []
    for paper in rows:
        config = paper.config if "::" in paper.config else str(CONFIGS / paper.config)
        try:
            row = compare(config, args, size=paper.size)
        except UserError as error:
            print(f"{paper.method} {paper.backbone} is left out: {error}", file=sys.stderr)
            continue
        row["model"] = f"{paper.method} {paper.backbone}"
        row |= dict(paper_parameters=paper.parameters, paper_flops=paper.flops)
        if paper.flops:
            row["flops_difference"] = row["flops"] / paper.flops - 1
        row |= {f"paper_{name}": value for name, value in zip(columns, paper.accuracy)}
        table.append(row)
    return table


def markdown(rows: Sequence[dict]) -> str:
    """A table of the columns that any row has."""
    columns = [column for column in COLUMNS if any(row.get(column[1]) is not None for row in rows)]
    lines = [[title for title, _, _ in columns], ["---"] * len(columns)]
    for row in rows:
        values = [row.get(key) for _, key, _ in columns]
        lines.append(["-" if value is None else form.format(value) for value, (_, _, form) in zip(values, columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plot(rows: Sequence[dict], path: Path) -> None:
    """Accuracy against FLOPs where it was measured for every model, else parameters."""
    from matplotlib import pyplot

    measured = [name for name in ACCURACY if all(name in row for row in rows)]
    key, label = (measured[0], measured[0]) if measured else ("parameters", "parameters (M)")
    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    axes.set(xlabel="FLOPs (billions of multiply-adds)", ylabel=label, xscale="log")
    axes.set_yscale("linear" if measured else "log")
    for axis in (axes.xaxis, axes.yaxis)[: 1 if measured else 2]:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    for row in rows:
        ours = "::" not in row["config"]
        axes.scatter(row["flops"], row[key], color="tab:red" if ours else "tab:blue", marker="o" if ours else "s")
    low, high = axes.get_xlim()
    axes.set_xlim(low, high * (high / low) ** 0.3)  # room for the rightmost label
    axes.grid(which="both", alpha=0.3)
    points = axes.transData.transform([(row["flops"], row[key]) for row in rows])
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in points]
    for row in rows:
        taken.append(free_label(axes, row["model"], (row["flops"], row[key]), taken))
    with atomic_open(path) as file:
        figure.savefig(file, dpi=150, format=path.suffix.lstrip(".") or "png")
    pyplot.close(figure)


def free_label(axes: Axes, text: str, point: tuple[float, float], taken: Sequence[Bbox]) -> Bbox:
    """Write beside a point, as near as other labels allow; gives the place that the label takes."""
    for step in range(40):
        offset = (9, (step + 1) // 2 * (-1) ** step * 5 - 3)
        label = axes.annotate(text, point, xytext=offset, textcoords="offset points", fontsize=7)
        box = label.get_window_extent()
        if not any(box.overlaps(other) for other in taken):
            break
        if step < 39:
            label.remove()
    return box


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", metavar="CONFIG", help="config file, or mmseg::PATH or mmdet::PATH")
    parser.add_argument("--checkpoints", nargs="+", metavar="FILE", help="evaluate these too: one a config, - for none")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="instead of the recipe's crop")
    parser.add_argument("--speed", action="store_true", help="measure images/s and peak memory, with random weights")
    parser.add_argument(
        "--train-speed",
        type=int,
        default=0,
        metavar="ITERATIONS",
        help="train for so many iterations on the config's own data and measure seconds per iteration",
    )
    parser.add_argument("--runs", type=int, default=5, help="predictions a timing, after one warm-up (default: 5)")
    parser.add_argument("--device", default="cpu", help="for --speed (default: cpu)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads for --speed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a plot to this file (of Table 1 by default)")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.runs < 1 or args.threads < 1 or min(args.size or [1]) < 1 or args.train_speed < 0:
        parser.error("--runs, --threads and --size must be at least 1, --train-speed at least 0")
    if args.checkpoints and len(args.checkpoints) != len(args.configs):
        parser.error(f"--checkpoints names {len(args.checkpoints)} files for {len(args.configs)} configs")
    return args


def main() -> None:
    args = parse_args()
    safeguards.install()
    MMLogger.get_instance("mmengine", log_level="WARNING")
    if args.measure:
        torch.set_num_threads(args.threads)
        print(json.dumps(measure(read_config(args.configs[0]), tuple(args.size), args)))
        return
    if args.configs:
        checkpoints = [None if path == "-" else path for path in args.checkpoints or ["-"] * len(args.configs)]
        tables = {"models": [compare(config, args, path) for config, path in zip(args.configs, checkpoints)]}
    else:
        tables = {
            "table_1": paper_table(TABLE_1, TABLE_1_COLUMNS, args),
            "table_3": paper_table(TABLE_3, TABLE_3_COLUMNS, args),
        }
    for title, rows in tables.items():
        print(f"\n{title.replace('_', ' ').capitalize()}\n\n{markdown(rows)}" if rows else "", flush=True)
    if tables.get("table_3"):
        print(f"\n{TABLE_3_NOTE}")
    if args.json:
        with atomic_open(args.json, "w") as file:
            file.write(json.dumps(tables, indent=2) + "\n")
    if args.plot:
        plot(next(iter(tables.values())), args.plot)


if __name__ == "__main__":
    with one_line_errors():
        main()
