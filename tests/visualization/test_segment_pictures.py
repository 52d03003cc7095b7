"""Panoptic and instance pictures show every segment in its color, bordered and counted."""

import numpy as np
import pytest
from segment_maps import decoded, instances

from mmmaskformer.det.panoptic_code import true_segments
from mmmaskformer.segments import Instances, SegmentMap
from mmmaskformer.visualization import draw_overlay, draw_panels, shades
from mmmaskformer.visualization.segment_pictures import legend_entries

CLASSES = ("person", "grass", "sky")
THINGS = (True, False, False)
PALETTE = [(220, 20, 60), (20, 200, 20), (70, 130, 180)]


def scene() -> SegmentMap:
    """Sky above grass, two persons side by side, and void on the right."""
    encoded = np.full((700, 1300), 1)
    encoded[:250] = 2
    encoded[200:600, 300:600] = 1000
    encoded[200:600, 600:900] = 2000
    encoded[:, 1200:] = 3
    return decoded(encoded, 3, score=0.9)


def test_stuff_has_its_classs_color_and_things_have_shades_of_theirs() -> None:
    picture = draw_overlay(np.zeros((700, 1300, 3), np.uint8), scene(), CLASSES, PALETTE, opacity=1.0)
    assert picture[650, 50].tolist() == list(PALETTE[1])
    assert picture[50, 50].tolist() == list(PALETTE[2])
    first, second = shades(PALETTE[0], 2)
    assert picture[560, 350].tolist() == list(first) and picture[560, 850].tolist() == list(second)


def test_void_is_left_as_it_is() -> None:
    picture = draw_overlay(np.full((700, 1300, 3), 77, np.uint8), scene(), CLASSES, PALETTE)
    assert picture[300, 1290].tolist() == [77, 77, 77]


def test_neighbors_are_parted_by_a_white_line() -> None:
    picture = draw_overlay(np.zeros((700, 1300, 3), np.uint8), scene(), CLASSES, PALETTE)
    for row, columns in ((560, slice(595, 605)), (50, slice(1195, 1205))):
        assert (picture[row, columns] == 255).all(-1).any(), f"no line in row {row}"
    assert not (picture[560, 310:590] == 255).all(-1).any()


def test_the_legend_counts_things_and_gives_the_share_of_stuff() -> None:
    texts = [entry.text for entry in legend_entries([scene()], CLASSES, PALETTE)]
    assert texts == ["grass 36%", "sky 30%", "person ×2", "void (uncolored) 8%"]


def test_the_legend_of_panels_counts_the_things_of_truth_and_prediction() -> None:
    ids = np.array([[1] * 5 + [2] * 3 + [3] * 2])
    info = [
        dict(id=1, category=1, is_thing=False),
        dict(id=2, category=0, is_thing=True),
        dict(id=3, category=0, is_thing=False),
    ]
    texts = [e.text for e in legend_entries([true_segments(ids, info, THINGS), scene()], CLASSES, PALETTE)]
    assert set(texts) == {"grass", "sky", "person: 1 true, 2 found", "void (uncolored)"}
    assert legend_entries([true_segments(ids, info, THINGS)], CLASSES, PALETTE)[1].text == "person ×1 (crowd)"


@pytest.mark.parametrize(("height", "width"), [(1, 1), (20, 33), (128, 128), (3, 900), (480, 640)])
def test_pictures_of_any_size_are_drawn_with_or_without_segments(height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    encoded = np.where(np.arange(height * width).reshape(height, width) % 7 < 4, 1000, 2)
    for found in (decoded(encoded, 3), decoded(np.full((height, width), 3), 3)):
        picture = draw_overlay(image, found, CLASSES, PALETTE)
        panels = draw_panels(image, found, found, CLASSES, PALETTE)
        assert picture.dtype == panels.dtype == np.uint8
        assert picture.shape[0] > height and picture.shape[1] >= 384 and panels.shape[1] >= 3 * 384


def test_a_small_picture_is_enlarged_until_names_fit() -> None:
    encoded = np.ones((128, 128), int)
    encoded[40:80, 40:100] = 1000
    picture = draw_overlay(np.zeros((128, 128, 3), np.uint8), decoded(encoded, 3), CLASSES, PALETTE, 1.0)
    assert picture.shape[1] == 1280
    assert (picture[420:780, 420:980] == 255).all(-1).sum() > 100, "no white letters on the person"


def test_box_mask_and_name_of_an_instance_have_one_color() -> None:
    masks = np.zeros((2, 700, 1300), bool)
    masks[0, 100:400, 100:400] = True
    masks[1, 300:600, 700:1200] = True
    found = instances(masks, (0.9, 0.8))
    found.boxes[0] = (80, 80, 420, 420)
    picture = draw_overlay(np.full((700, 1300, 3), 9, np.uint8), found, CLASSES, PALETTE, opacity=1.0)
    assert picture[80, 200].tolist() == list(PALETTE[0]), "no box"
    assert picture[110, 110].tolist() == list(PALETTE[0]) and picture[590, 710].tolist() == list(PALETTE[1])
    assert picture[650, 50].tolist() == [9, 9, 9]
    name = draw_overlay(np.zeros((700, 1300, 3), np.uint8), found, CLASSES, PALETTE, opacity=0.0)
    assert (name[150:350, 120:380] == PALETTE[0]).all(-1).sum() > 500, "the name has another color"


def test_no_instance_at_all_leaves_the_image() -> None:
    nothing = Instances(np.zeros(0, int), np.zeros(0), np.zeros((0, 4), np.float32), np.zeros((0, 700, 1300), bool))
    image = np.random.default_rng(0).integers(0, 256, (700, 1300, 3), dtype=np.uint8)
    assert (draw_overlay(image, nothing, CLASSES, PALETTE)[:700] == image).all()


def test_maps_that_do_not_fit_the_image_are_named() -> None:
    with pytest.raises(ValueError, match=r"the map of segments is \(700, 1300\) but the image is \(4, 5\)"):
        draw_overlay(np.zeros((4, 5, 3), np.uint8), scene(), CLASSES, PALETTE)
