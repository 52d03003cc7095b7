"""The comparison with mmseg's head, at a size where it takes seconds."""

import json

import pytest
from launching import run_tool


def run(folder, *arguments: str):
    tool = "analysis_tools/benchmark_head.py"
    return run_tool(tool, "--size", "64", "--batch", "1", "--pairs", "1", *arguments, cwd=folder)


@pytest.mark.parametrize("name", ["loss", "predict"])
def test_ratios_are_of_the_medians_beside_them_and_written_as_json(name, tmp_path):
    result = run(tmp_path, "--only", name, "--json", "figures.json")
    assert result.returncode == 0, result.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    ours, theirs = figures[f"{name}_time_ours_s"], figures[f"{name}_time_mmseg_s"]
    assert figures[f"{name}_time_ratio"] == pytest.approx(ours / theirs)
    assert "total loss without dropout" in result.stdout


def test_a_size_that_no_backbone_takes_is_refused(tmp_path):
    result = run(tmp_path, "--size", "100")
    assert result.returncode == 2
    assert "--size a multiple of 32" in result.stdout
