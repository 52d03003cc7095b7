"""The comparison with panopticapi, at a size where it takes no time."""

import json

import pytest
from tiny import run_tool


def run(folder, *arguments: str):
    tool = "analysis_tools/benchmark_panoptic.py"
    return run_tool(tool, "--only", "pq", "--images", "2", "--pairs", "1", *arguments, cwd=folder)


def test_the_speedup_of_panoptic_quality_is_printed_and_written_as_json(tmp_path):
    pytest.importorskip("panopticapi", reason="pip install --no-deps panopticapi-lite==0.2.0")
    result = run(tmp_path, "--height", "48", "--width", "64", "--json", "figures.json")
    assert result.returncode == 0, result.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["pq_speedup"] == pytest.approx(figures["pq_panopticapi_ms"] / figures["pq_ours_ms"])
    assert f"speedup {figures['pq_speedup']:.1f}" in result.stdout


def test_maps_too_small_to_hold_segments_are_refused(tmp_path):
    result = run(tmp_path, "--height", "8")
    assert result.returncode == 2
    assert "--height and --width at least 32" in result.stdout
