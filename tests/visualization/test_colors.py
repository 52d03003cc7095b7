"""Shades tell the things of one class apart, and still look like their class."""

import colorsys

import numpy as np
import pytest

from mmmaskformer.visualization import complete_palette, distinct_palette, shades
from mmmaskformer.visualization.colors import CLEAR, blend, color_distances, segment_colors

CLASS_COLORS = [(220, 20, 60), (0, 0, 70), (182, 182, 255), (0, 0, 0), (255, 255, 255), (96, 96, 96)]


def distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum(abs(a - b) for a, b in zip(one, other))


def test_a_single_thing_has_the_color_of_its_class() -> None:
    assert shades((220, 20, 60), 1) == [(220, 20, 60)]
    assert shades((220, 20, 60), 0) == []


@pytest.mark.parametrize("color", CLASS_COLORS)
def test_things_that_follow_each_other_differ_clearly(color: tuple[int, int, int]) -> None:
    found = shades(color, 30)
    assert len(set(found)) == 30
    assert all(0 <= part <= 255 for shade in found for part in shade)
    assert min(distance(one, other) for one, other in zip(found, found[1:])) > 40


def test_shades_keep_the_hue_of_the_class() -> None:
    hue = colorsys.rgb_to_hls(0.0, 0.8, 0.2)[0]
    for red, green, blue in shades((0, 204, 51), 30):
        assert abs(colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)[0] - hue) < 0.11


def test_generated_colors_differ_and_repeat() -> None:
    palette = distinct_palette(60)
    assert palette == distinct_palette(60)
    assert len({tuple(color) for color in palette}) == 60


def test_colors_mix_with_the_image_and_void_stays_as_it_is() -> None:
    image = np.full((600, 4, 3), 100, np.uint8)
    ids = np.zeros((600, 4), int)
    ids[:300] = 1
    mixed = blend(image, ids, [(255, 0, 0)], 0.5)
    assert mixed[299, 0].tolist() == [178, 50, 50] and mixed[300, 0].tolist() == [100, 100, 100]
    with pytest.raises(ValueError, match=r"opacity=1\.5 must lie between 0 and 1"):
        blend(image, ids, [(255, 0, 0)], 1.5)


def test_a_palette_that_is_too_short_or_missing_is_replaced() -> None:
    given = [(1, 2, 3), (4, 5, 6), (7, 8, 9)]
    assert complete_palette(given, 2) == [[1, 2, 3], [4, 5, 6]]
    assert complete_palette(given, 4) == complete_palette(None, 4) == distinct_palette(4)


@pytest.mark.parametrize("color", CLASS_COLORS)
def test_things_side_by_side_are_clearly_unlike_each_other_and_the_stuff_around_them(color: tuple[int, ...]) -> None:
    boxes = [(0, 0, 200, 50), *((10 * i, 5, 10 * i + 12, 20) for i in range(20))]
    labels, is_thing = np.array([1] + [0] * 20), np.arange(21) > 0
    found = segment_colors(labels, np.array(boxes), is_thing, [color, color])
    assert found[0] == color
    for index in range(1, 21):
        near = [found[0], *(found[other] for other in (index - 1, index + 1) if 1 <= other < 21)]
        assert color_distances([found[index]], near).min() >= CLEAR


def test_things_apart_have_shades_of_their_own_too() -> None:
    boxes = np.array([(100 * i, 0, 100 * i + 5, 5) for i in range(10)])
    assert segment_colors(np.zeros(10, int), boxes, np.ones(10, bool), [(220, 20, 60)]) == shades((220, 20, 60), 10)
