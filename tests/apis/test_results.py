"""What is written about an image says the same as the result."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from segment_maps import decoded, instances

from mmmaskformer.apis.results import SegmentationResult
from mmmaskformer.coco.panoptic_png import read_panoptic_png
from mmmaskformer.segments import ImageSegmentation, Instances, SegmentMap

CLASSES = ["person", "grass"]
PALETTE = [[220, 20, 60], [20, 200, 20]]
IMAGE = np.arange(8 * 12 * 3, dtype=np.uint8).reshape(8, 12, 3)


@pytest.fixture
def result() -> SegmentationResult:
    encoded = np.full((8, 12), 1)
    encoded[2:6, 3:7] = 1000
    encoded[:, 10:] = 2
    segments = SegmentMap.from_values(encoded, [1000, 1], [0, 1], [True, False], [0.98765432, 0.5], void=2)
    found = ImageSegmentation(
        segments.label_map(void=255), segments, instances([encoded == 1000] * 2, (0.9, 0.1), labels=(0, 0))
    )
    return SegmentationResult(found, CLASSES, PALETTE, IMAGE, "a")


def test_every_output_has_its_files(result: SegmentationResult, tmp_path: Path) -> None:
    result.save(tmp_path)
    endings = ["instances.json", "instances_overlay.png", "labels.png", "overlay.png"]
    endings += ["panoptic.json", "panoptic.png", "panoptic_overlay.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a_{ending}" for ending in endings]


def test_pictures_can_be_left_out(result: SegmentationResult, tmp_path: Path) -> None:
    result.save(tmp_path, overlay=False)
    assert not list(tmp_path.glob("*overlay*")) and len(list(tmp_path.iterdir())) == 4


def test_the_panoptic_png_and_json_agree(result: SegmentationResult, tmp_path: Path) -> None:
    result.save(tmp_path, overlay=False)
    ids = read_panoptic_png(tmp_path / "a_panoptic.png")
    assert (ids == result.panoptic.ids).all() and (ids[:, 10:] == 0).all()
    written = json.loads((tmp_path / "a_panoptic.json").read_text())
    assert (written["file_name"], written["height"], written["width"]) == ("a_panoptic.png", 8, 12)
    person, grass = written["segments_info"]
    assert person == dict(id=1, category_id=0, category="person", isthing=1, score=0.98765, area=16, bbox=[3, 2, 4, 4])
    assert grass["isthing"] == 0 and grass["area"] == (ids == grass["id"]).sum()


def test_all_instances_are_written_with_their_masks(result: SegmentationResult, tmp_path: Path) -> None:
    result.save(tmp_path, overlay=False)
    first, second = json.loads((tmp_path / "a_instances.json").read_text())["instances"]
    assert (first["category"], first["score"], second["score"], first["bbox"]) == ("person", 0.9, 0.1, [3, 2, 4, 4])
    assert (coco_mask.decode(first["segmentation"]) == result.instances.masks[0]).all()


def test_an_image_without_anything_is_written_too(tmp_path: Path) -> None:
    nothing = Instances(np.zeros(0, int), np.zeros(0), np.zeros((0, 4)), np.zeros((0, 8, 12), bool))
    found = ImageSegmentation(panoptic=decoded(np.full((8, 12), 2), 2), instances=nothing)
    SegmentationResult(found, CLASSES, PALETTE, IMAGE, "a").save(tmp_path)
    assert json.loads((tmp_path / "a_panoptic.json").read_text())["segments_info"] == []
    assert json.loads((tmp_path / "a_instances.json").read_text())["instances"] == []


def test_a_score_that_nobody_knows_is_null(tmp_path: Path) -> None:
    found = ImageSegmentation(panoptic=decoded(np.zeros((8, 12), int), 2))
    SegmentationResult(found, CLASSES, PALETTE, IMAGE, "a").save(tmp_path, overlay=False)
    assert json.loads((tmp_path / "a_panoptic.json").read_text())["segments_info"][0]["score"] is None


def test_the_overlay_is_that_of_segments_where_there_are_any(result: SegmentationResult) -> None:
    overlay = result.overlay()
    assert overlay.shape[1] == 1284
    result.found = ImageSegmentation(labels=result.labels)
    assert not np.array_equal(result.overlay(), overlay)
