"""Names stand inside their segments, on the picture, and never on each other."""

import json
from pathlib import Path

import numpy as np
import pytest
from segment_maps import decoded

from mmmaskformer.coco.panoptic_png import read_panoptic_png
from mmmaskformer.det.panoptic_code import true_segments
from mmmaskformer.visualization.text_labels import Label, draw_labels, place_labels

CLASSES = ("person", "grass", "sky")


def place(encoded: np.ndarray, zoom: int = 1, text_size: int = 14) -> list[Label]:
    return place_labels(decoded(encoded, len(CLASSES), score=0.97), CLASSES, zoom, text_size)


@pytest.mark.parametrize("zoom", [1, 3])
def test_a_name_stands_in_the_middle_of_a_disc(zoom: int) -> None:
    rows, columns = np.indices((200, 300))
    encoded = np.where((rows - 90) ** 2 + (columns - 180) ** 2 < 60**2, 1000, 3)
    (label,) = place(encoded, zoom)
    assert label.text == "person 0.97"
    assert abs(label.x / zoom - 180) < 12 and abs(label.y / zoom - 90) < 12


def test_a_narrow_segment_has_its_score_below_its_name() -> None:
    encoded = np.full((200, 200), 3)
    encoded[20:180, 80:120] = 1000
    (label,) = place(encoded)
    assert label.text == "person\n0.97"
    assert 90 < label.x < 110


def test_a_segment_with_a_hole_is_named_beside_the_hole() -> None:
    encoded = np.full((200, 400), 1)
    encoded[40:160, 100:300] = 3
    (label,) = place(encoded)
    assert encoded[round(label.y), round(label.x)] == 1


def test_a_segment_that_its_name_would_hide_has_none() -> None:
    encoded = np.full((200, 300), 2)
    encoded[100:104, 150:158] = 1000
    assert [label.text for label in place(encoded)] == ["sky 0.97"]


@pytest.mark.parametrize("seed", range(5))
def test_names_of_a_crowded_picture_do_not_overlap_and_stay_on_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    encoded = np.full((240, 320), 1)
    encoded[:60] = 2
    for instance in range(1, 30):
        top, left = rng.integers(0, (200, 290))
        encoded[top : top + rng.integers(10, 60), left : left + rng.integers(10, 40)] = 1000 * instance
    labels = place(encoded, zoom=2)
    assert len(labels) > 8
    for index, label in enumerate(labels):
        assert label.width / 2 <= label.x <= 640 - label.width / 2
        assert label.height / 2 <= label.y <= 480 - label.height / 2
        for other in labels[:index]:
            assert not label.overlaps(other, np.array(label.x), np.array(label.y)), f"{label} touches {other}"


def test_a_picture_that_is_smaller_than_any_name_has_none() -> None:
    assert place(np.full((10, 10), 1)) == []


def test_truth_has_names_without_scores_and_crowds_say_so() -> None:
    ids = np.array([[4] * 100 + [5] * 200] * 80)
    info = [dict(id=4, category=0, is_thing=True), dict(id=5, category=0, is_thing=False)]
    labels = place_labels(true_segments(ids, info, (True,)), CLASSES, 1, 14)
    assert sorted(label.text for label in labels) == ["person", "person (crowd)"]


def test_a_name_is_written_legibly_on_the_color_of_its_segment() -> None:
    label = Label("person\n0.97", 2, 80, 36, 100, 30)
    for color, ink in (((255, 230, 20), 0), ((0, 0, 90), 255)):
        drawn = draw_labels(np.full((60, 200, 3), 100, np.uint8), [label], [(1, 1, 1), color], 14)
        changed = np.argwhere((drawn != 100).any(-1))
        assert (changed.min(0) == (12, 60)).all() and (changed.max(0) == (47, 139)).all()
        assert (drawn == color).all(-1).sum() > 1000 and (drawn == ink).all(-1).sum() > 20


@pytest.mark.parametrize("index", [0, 1])
def test_on_a_real_crowded_photo_every_segment_of_some_size_is_named_on_itself(shared_data: Path, index: int) -> None:
    folder = shared_data / "coco_panoptic_sample"
    content = json.loads((folder / "panoptic.json").read_text())
    annotation = content["annotations"][index]
    things = [category["id"] for category in content["categories"] if category["isthing"]]
    info = [
        dict(id=s["id"], category=int(s["category_id"] not in things), is_thing=s["category_id"] in things)
        for s in annotation["segments_info"]
    ]
    found = true_segments(read_panoptic_png(folder / "panoptic" / annotation["file_name"]), info, (True, False))
    labels = place_labels(found, ("horse 0.97", "tree-merged 0.97"), zoom=2, text_size=16)
    named = {int(found.ids[int(label.y / 2), int(label.x / 2)]) for label in labels}
    assert len(named) == len(labels), "two names on one segment"
    unnamed = [segment for segment in found.segments if segment.id not in named]
    assert max(segment.area for segment in unnamed) < 0.01 * found.ids.size
    assert len(unnamed) <= len(found.segments) / 3
