"""The comparisons with panopticapi and with mmdet's fusion head, as briefly as can be."""

import argparse
import json
import runpy
from pathlib import Path

import pytest
from launching import run_tool

ROOT = Path(__file__).resolve().parents[2]


def test_the_speedup_of_panoptic_quality_is_printed_and_written_as_json(tmp_path):
    pytest.importorskip("panopticapi", reason="pip install --no-deps panopticapi-lite==0.2.0")
    small = ("--images", "2", "--pairs", "1", "--height", "48", "--width", "64")
    tool = "analysis_tools/benchmark_panoptic.py"
    result = run_tool(tool, "--only", "pq", *small, "--json", "figures.json", cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["pq_speedup"] == pytest.approx(figures["pq_panopticapi_ms"] / figures["pq_ours_ms"])
    assert f"speedup {figures['pq_speedup']:.1f}" in result.stdout


def test_many_segments_and_files_are_compared_as_well(tmp_path, monkeypatch, capsys):
    for name in ("panopticapi", "hotcoco"):
        pytest.importorskip(name, reason="pip install --no-deps panopticapi-lite==0.2.0 hotcoco")
    tool = ROOT / "tools/analysis_tools/benchmark_panoptic.py"
    monkeypatch.syspath_prepend(str(tool.parent))
    module = runpy.run_path(str(tool))
    args = argparse.Namespace(images=2, pairs=1, height=64, width=96)
    module["measure_segments"].__globals__["SEGMENTS"] = (15, 300)
    figures = module["measure_segments"](args) | module["measure_files"](args)
    assert figures.keys() == {
        *(f"pq_{n}_{name}" for n in (15, 300) for name in ("ours_ms", "panopticapi_ms", "speedup", "ours_mb")),
        *(f"files_{name}_ms" for name in ("ours", "ours_one_thread", "panopticapi", "hotcoco")),
    }
    assert all(figure > 0 for figure in figures.values()) and "hotcoco" in capsys.readouterr().out


def test_panoptic_inference_is_compared_with_mmdets_fusion_head_on_the_same_segments(tmp_path):
    tool = "analysis_tools/benchmark_panoptic.py"
    result = run_tool(tool, "--only", "fusion", "--pairs", "1", "--json", "figures.json", cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["fusion_time_ratio"] == pytest.approx(figures["fusion_ours_ms"] / figures["fusion_mmdet_ms"])
    assert figures["fusion_whole_ratio"] > 0 and "ratio" in result.stdout
