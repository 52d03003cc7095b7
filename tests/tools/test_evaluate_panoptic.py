"""Files of predictions are evaluated as panopticapi and hotcoco do it."""

import json
from pathlib import Path

import pytest
from foreign_cases import call
from panoptic_scenes import CATEGORIES, META, random_scene, write_predictions, write_truth

TOOL = "analysis_tools/evaluate_panoptic.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    scenes = [random_scene(seed) for seed in range(20)]
    write_truth(tmp_path, scenes)
    write_predictions(tmp_path, scenes)
    return tmp_path


def test_the_numbers_are_printed_and_written(folder: Path) -> None:
    jsons = folder / "truth.json", folder / "panoptic.json"
    outcome = call(TOOL, *jsons, "--classwise", "--json", folder / "new" / "numbers.json")
    assert outcome.status == 0, outcome.errors
    numbers = json.loads((folder / "new" / "numbers.json").read_text())
    assert f"| {numbers['PQ_th']:.2f} |" in outcome.output and f"| {numbers['car_PQ']:.2f} |" in outcome.output
    assert set(numbers) == {
        f"{name}{suffix}" for name in ("PQ", "SQ", "RQ") for suffix in ("", "_th", "_st")
    } | {f"{name}_{what}" for name in META["classes"] for what in ("PQ", "SQ", "RQ")}  # fmt: skip


def test_it_refuses_to_write_over_what_it_reads(folder: Path) -> None:
    jsons = folder / "truth.json", folder / "panoptic.json"
    before = jsons[0].read_bytes()
    outcome = call(TOOL, *jsons, "--json", jsons[0])
    assert outcome.status == 2 and "--json" in outcome.line and jsons[0].read_bytes() == before


def test_a_json_without_isthing_is_refused_as_nothing_else_says_it(folder: Path) -> None:
    path = folder / "truth.json"
    content = json.loads(path.read_text())
    content["categories"] = [{"id": c["id"], "name": c["name"]} for c in CATEGORIES]
    path.write_text(json.dumps(content))
    outcome = call(TOOL, path, folder / "panoptic.json")
    assert outcome.status == 2 and "have no isthing; write 1 for things and 0 for stuff" in outcome.line
