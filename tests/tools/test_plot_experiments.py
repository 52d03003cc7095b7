"""Curves of trained configs, through the tool."""

import json
from pathlib import Path

import pytest
from launching import run_tool
from PIL import Image


def write_file(path: Path, runs: dict[str, list[list[float]]]) -> None:
    """A file of run_experiments.py: for each run the mIoU of each seed after 10, 20, ... iterations."""
    rows = [
        dict(name=name, seed=seed, metrics={}, curve=[[10 * i + 10, {"mIoU": v}] for i, v in enumerate(values)])
        for name, seeds in runs.items()
        for seed, values in enumerate(seeds)
    ]
    path.write_text(json.dumps(dict(runs=[], rows=rows)))


def test_runs_of_two_files_are_drawn_in_one_small_picture(tmp_path: Path) -> None:
    write_file(tmp_path / "first.json", {"fast": [[10.0, 50.0], [20.0, 70.0]], "paper": [[5.0, 7.0]]})
    write_file(tmp_path / "second.json", {"fast": [[30.0, 40.0, 50.0]]})
    done = run_tool("analysis_tools/plot_experiments.py", "first.json", "second.json", "--out", "out.png", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    picture = Image.open(tmp_path / "out.png")
    assert picture.width > picture.height and (tmp_path / "out.png").stat().st_size < 60_000
    # The colors of both runs are there.
    colors = {color for _, color in picture.convert("RGB").getcolors()}
    assert all(
        min(sum(abs(a - b) for a, b in zip(color, c)) for c in colors) < 20 for color in ((213, 94, 0), (0, 114, 178))
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--metric", "PQ"), "'fast' has no PQ, only mIoU"),
        (("--names", "slow"), "has no curve of 'slow', only of fast"),
        (("--out", "curves.jpg"), "--out is curves.jpg, must end in .png or .svg"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    write_file(tmp_path / "file.json", {"fast": [[10.0, 50.0]]})
    command = ("analysis_tools/plot_experiments.py", "file.json", "--out", "out.png", *arguments)
    done = run_tool(*command, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stdout.strip().splitlines()[-1]
    assert list(tmp_path.iterdir()) == [tmp_path / "file.json"]
