"""Draws a metric against iterations, mean and range over seeds, from the files of run_experiments.py.

    python tools/analysis_tools/plot_experiments.py docs/measurements/shapes.json --metric mIoU --out curves.png

One panel per file. A run has one color in all of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from run_experiments import read

from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.files import atomic_open

matplotlib.use("Agg")
# Okabe and Ito's colors, which color-blind readers tell apart; black and yellow are left out. Lines differ as well.
COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))


@dataclass(frozen=True)
class Curve:
    """One run in one file.

    Attributes:
        name: of the run.
        seeds: how many trainings it has.
        points: iteration -> the metric of each seed.
    """

    name: str
    seeds: int
    points: dict[int, list[float]]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Draw the curves of trained configs: mean and range over seeds")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON file of run_experiments.py")
    parser.add_argument("--metric", default="mIoU", help="what to draw, in percent (default: mIoU)")
    parser.add_argument("--names", nargs="+", help="only these runs, in this order")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="picture to write, .png or .svg")
    args = parser.parse_args()
    if args.out.suffix not in (".png", ".svg"):
        parser.error(f"--out is {args.out}, must end in .png or .svg")
    return args


def curves_of(path: Path, metric: str, names: Sequence[str] | None) -> list[Curve]:
    """The curves of a file, in the order of ``names`` or of the file.

    Raises:
        UserError: the file has no such run, or no row of a run has a curve with the metric.
    """
    rows = [row for row in read(path)["rows"] if row.get("curve")]
    trained = list(dict.fromkeys(row["name"] for row in rows))
    if unknown := [name for name in names or () if name not in trained]:
        raise UserError(f"{path} has no curve of {unknown[0]!r}, only of {', '.join(trained) or 'no run'}")
    curves = [curve_of(name, [row for row in rows if row["name"] == name], metric) for name in names or trained]
    if empty := [curve.name for curve in curves if not curve.points]:
        raise UserError(f"{path}: {empty[0]!r} has no {metric}, only {', '.join(metrics_of(rows, empty[0]))}")
    if not curves:
        raise UserError(f"{path} has no row with a curve: train its runs with run_experiments.py first")
    return curves


def curve_of(name: str, rows: Sequence[dict[str, Any]], metric: str) -> Curve:
    points: dict[int, list[float]] = {}
    for row in rows:
        for iteration, found in row["curve"]:
            if metric in found:
                points.setdefault(iteration, []).append(found[metric])
    return Curve(name, len(rows), dict(sorted(points.items())))


def metrics_of(rows: Sequence[dict[str, Any]], name: str) -> list[str]:
    """Metrics that the curves of a run have."""
    points = [found for row in rows if row["name"] == name for _, found in row["curve"]]
    return sorted({metric for found in points for metric in found})


def draw(panels: Sequence[tuple[str, list[Curve]]], metric: str, out: Path) -> None:
    """Write a picture with one panel per title and its curves."""
    from matplotlib import pyplot

    names = list(dict.fromkeys(curve.name for _, curves in panels for curve in curves))
    if len(names) > len(COLORS):
        raise UserError(f"{len(names)} runs, but colors for {len(COLORS)}: choose some with --names")
    size = (max(5.5, 4.2 * len(panels)), 3.9)
    figure, grid = pyplot.subplots(1, len(panels), figsize=size, dpi=110, layout="constrained", squeeze=False)
    for axes, (title, curves) in zip(grid[0], panels):
        for curve in curves:
            draw_curve(axes, curve, names.index(curve.name))
        axes.set(title=title, xlabel="training iterations", ylabel=f"{metric} (%)", xlim=(0, None), ylim=(0, None))
        axes.grid(alpha=0.3)
    lines = {text: line for axes in grid[0] for line, text in zip(*axes.get_legend_handles_labels())}
    labels = [f"{name} ({seeds_of(name, panels)})" for name in names]
    figure.legend([lines[name] for name in names], labels, loc="outside lower center", ncols=2, frameon=False)
    save(figure, out)
    pyplot.close(figure)


def seeds_of(name: str, panels: Sequence[tuple[str, list[Curve]]]) -> str:
    """How many seeds a run has, "1 to 3 seeds" where panels differ."""
    counts = sorted({curve.seeds for _, curves in panels for curve in curves if curve.name == name})
    return f"{' to '.join(map(str, counts[:: max(1, len(counts) - 1)]))} seed{'s' if counts[-1] > 1 else ''}"


def save(figure: Figure, out: Path) -> None:
    """Write a figure; a PNG with a palette, which takes a third of the space."""
    if out.suffix == ".svg":
        with atomic_open(out) as file:
            figure.savefig(file, format="svg")
        return
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
    with atomic_open(out) as file:
        picture.quantize(128).save(file, format="png", optimize=True)


def draw_curve(axes: Axes, curve: Curve, index: int) -> None:
    """The mean as a line, and the range from the worst to the best seed as a band."""
    iterations, values = list(curve.points), list(curve.points.values())
    look = dict(color=COLORS[index], linestyle=STYLES[index], marker=".")
    axes.plot(iterations, [mean(found) for found in values], label=curve.name, **look)
    lowest, highest = [min(found) for found in values], [max(found) for found in values]
    axes.fill_between(iterations, lowest, highest, color=COLORS[index], alpha=0.2, linewidth=0)


def main() -> None:
    args = parse_args()
    panels = [(path.stem, curves_of(path, args.metric, args.names)) for path in args.files]
    draw(panels, args.metric, args.out)
    print(f"written to {args.out}")


if __name__ == "__main__":
    with one_line_errors():
        main()
