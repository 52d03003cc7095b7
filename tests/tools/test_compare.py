"""The comparison's command line, on models that take a second."""

import importlib
import json
import sys

import pytest
import segmenter
import tiny
from launching import ROOT, run_tool
from PIL import Image

TOOL = "analysis_tools/compare.py"


@pytest.fixture
def compare(monkeypatch):
    """The tool as a module, called without arguments."""
    monkeypatch.syspath_prepend(str(ROOT / "tools/analysis_tools"))
    monkeypatch.setattr(sys, "argv", ["compare.py"])
    return importlib.import_module("compare")


@pytest.fixture
def config(tmp_path):
    return segmenter.write_config(tmp_path / "small.py", tiny.make_dataset(tmp_path / "data"))


def test_models_are_compared_with_speed_accuracy_json_and_plot(config, tmp_path):
    checkpoint = segmenter.write_checkpoint(tmp_path / "small.pth", config, num_classes=3)
    options = [
        "--speed",
        "--train-speed",
        "2",
        "--runs",
        "1",
        "--threads",
        "1",
        "--json",
        "all.json",
        "--plot",
        "all.png",
    ]
    result = run_tool(TOOL, str(config), "--checkpoints", str(checkpoint), *options, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    (row,) = json.loads((tmp_path / "all.json").read_text())["models"]
    assert row["crop"] == [64, 64] and row["flops"] >= row["flops_as_run"] > 0
    assert row["images_per_second"] > 0 and row["peak_megabytes"] >= 0 and 0 <= row["mIoU"] <= 100
    assert row["training_seconds"] > 0
    assert "| model | crop | params | FLOPs | as run | images/s | peak memory | s/iteration | mIoU |" in result.stdout
    assert "| small | 64x64 |" in result.stdout
    assert Image.open(tmp_path / "all.png").size == (1200, 750)


def test_a_checkpoint_is_wanted_for_each_config(compare, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compare.py", "small.py", "--checkpoints", "a.pth", "b.pth"])
    with pytest.raises(SystemExit):
        compare.parse_args()
    assert "--checkpoints names 2 files for 1 configs" in capsys.readouterr().err


def test_the_rows_of_the_papers_tables_say_the_papers_figures_beside_ours(compare):
    rows = [row for row in compare.TABLE_1 if row[:2] in {("MaskFormer", "R50"), ("DeepLabV3+", "R50c")}]
    table = compare.paper_table(rows, compare.TABLE_1_COLUMNS, compare.parse_args())
    assert [row["model"] for row in table] == ["DeepLabV3+ R50c", "MaskFormer R50"]
    assert all(abs(row["flops_difference"]) < 0.03 for row in table)
    assert compare.markdown(table).splitlines()[-1].endswith("| 41M | 53G | -1.0% | 44.5 | 46.7 |")


def test_every_row_of_the_papers_tables_has_its_config(compare):
    rows = [*compare.TABLE_1, *compare.TABLE_3]
    for config in (row.config if "::" in row.config else str(compare.CONFIGS / row.config) for row in rows):
        assert compare.read_config(config).model


def test_a_row_whose_config_is_not_there_is_left_out_with_the_reason(compare, capsys):
    row = compare.TABLE_1[-1]._replace(config="mmseg::none/none.py")
    assert compare.paper_table([row], compare.TABLE_1_COLUMNS, compare.parse_args()) == []
    assert "MaskFormer Swin-L (22k) is left out: config file" in capsys.readouterr().err
