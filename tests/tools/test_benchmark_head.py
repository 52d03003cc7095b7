"""The comparison with mmseg's head, at a size where it takes seconds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "analysis_tools" / "benchmark_head.py"


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(TOOL), "--size", "64", "--batch", "1", "--pairs", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["loss", "predict"])
def test_ratios_are_of_the_medians_beside_them_and_written_as_json(name, tmp_path):
    result = run("--only", name, "--json", str(tmp_path / "figures.json"))
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    ours, theirs = figures[f"{name}_time_ours_s"], figures[f"{name}_time_mmseg_s"]
    assert figures[f"{name}_time_ratio"] == pytest.approx(ours / theirs)
    assert "total loss without dropout" in result.stdout


def test_a_size_that_no_backbone_takes_is_refused():
    result = run("--size", "100")
    assert result.returncode == 2
    assert "--size a multiple of 32" in result.stderr
