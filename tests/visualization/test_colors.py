"""Shades tell the things of one class apart, and still look like their class."""

import colorsys

import pytest

from mmmaskformer.visualization import complete_palette, distinct_palette, shades

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
        assert abs(colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)[0] - hue) < 0.06


def test_a_palette_that_is_too_short_or_missing_is_replaced() -> None:
    given = [(1, 2, 3), (4, 5, 6), (7, 8, 9)]
    assert complete_palette(given, 2) == [[1, 2, 3], [4, 5, 6]]
    assert complete_palette(given, 4) == complete_palette(None, 4) == distinct_palette(4)
