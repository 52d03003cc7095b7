"""What queries stand for, over a data set, through the tool."""

import json
from pathlib import Path

import cv2
import pytest
import tiny
from launching import run_tool
from segmenter import write_checkpoint, write_config
from tiny import CLASSES, make_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("queries")
    make_dataset(folder / "data", images=3)
    write_checkpoint(folder / "tiny.pth", write_config(folder / "tiny.py", folder / "data"))
    tiny.write_config(folder / "fcn.py", folder / "data")
    return folder


def test_counts_plot_and_masks_are_written_and_nothing_else(folder: Path) -> None:
    done = run_tool(
        "analysis_tools/analyze_queries.py", "tiny.py", "tiny.pth", "--out-dir", "out", "--images", "2", cwd=folder
    )
    assert done.returncode == 0, done.stdout
    assert "3 images, 5 queries" in done.stdout
    written = json.loads((folder / "out" / "queries.json").read_text())
    assert written["images"] == 3 and written["classes"] == list(CLASSES)
    assert [query["query"] for query in written["queries"]] == list(range(5))
    fired = [query["fired"] for query in written["queries"]]
    assert any(fired), "no query fires: nothing is drawn"
    assert all(sum(query["classes"].values()) == query["fired"] for query in written["queries"])
    assert {path.name for path in (folder / "out").iterdir()} == {
        "queries.json",
        "unique_classes.png",
        "busiest_queries.png",
    }
    assert cv2.imread(str(folder / "out" / "busiest_queries.png")).shape[1] == 2 * 260


def test_a_model_without_queries_is_refused_in_one_line_with_status_2(folder: Path) -> None:
    done = run_tool("analysis_tools/analyze_queries.py", "fcn.py", "tiny.pth", "--out-dir", "none", cwd=folder)
    assert done.returncode == 2
    message = "error: FCNHead has no queries that predict a class: this tool needs a config with"
    assert message in done.stdout.strip().splitlines()[-1]
    assert not (folder / "none").exists()
