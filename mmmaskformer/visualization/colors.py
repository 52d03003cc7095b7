"""Colors of classes and segments."""

from __future__ import annotations

import colorsys
from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
from numpy import ndarray

Color = Sequence[int]
GOLDEN_RATIO = 0.618033988749895
SHADES_LIGHTNESS = (0.2, 0.85)  # a segment darker or lighter than that hides the photo below it
SHADES_SPAN = 0.4  # of lightness, within one class
SHADES_TURN = 0.2  # of the circle of hues, within one class
CHOICES = 24  # shades of a class that a thing may have
NEARBY = 0.2  # of a box's longer side: how far its neighbors may be
CLEAR = 25.0  # distance in CIE L*a*b* from which two colors side by side are easy to distinguish


def distinct_palette(count: int) -> list[list[int]]:
    """Colors for classes that have none: hues far apart, in alternating brightness; the same ones every time.

    Args:
        count: number of classes.

    Returns:
        ``count`` lists of red, green and blue, 0..255.
    """
    palette = []
    for index in range(count):
        saturation, value = ((0.75, 0.95), (0.9, 0.6), (0.45, 0.9))[index % 3]
        rgb = colorsys.hsv_to_rgb(index * GOLDEN_RATIO % 1.0, saturation, value)
        palette.append([round(255 * part) for part in rgb])
    return palette


def complete_palette(palette: Sequence[Color] | None, count: int) -> list[list[int]]:
    """Return the first ``count`` colors of a palette; generated ones where there is none or it is too short."""
    if palette is None or len(palette) < count:
        return distinct_palette(count)
    return [[int(part) for part in color] for color in palette[:count]]


def blend(image: ndarray, ids: ndarray, colors: Sequence[Color], opacity: float) -> ndarray:
    """Lays the colors of segments over an image; void stays as it is.

    Args:
        image: (H, W, 3) uint8, RGB.
        ids: (H, W) integers, segments numbered 1..S; 0 is void.
        colors: red, green and blue of every segment, 0..255.
        opacity: 0 shows the image alone, 1 the colors alone.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity={opacity} must lie between 0 and 1")
    table = np.array([(0, 0, 0), *colors], np.float32) * opacity
    share = np.array([0, *[opacity] * len(colors)], np.float32)[:, None]
    blended = np.empty_like(image)
    # By strips: the float temporaries of a 20-megapixel image are half a gigabyte.
    for start in range(0, len(image), 256):
        rows = slice(start, start + 256)
        blended[rows] = np.rint(image[rows] * (1 - share[ids[rows]]) + table[ids[rows]])
    return blended


def shades(color: Color, count: int) -> list[tuple[int, int, int]]:
    """Colors for the things of one class: variations of the class's color, those that follow each other far apart.

    Args:
        color: red, green and blue of the class, 0..255.
        count: number of things.

    Returns:
        ``count`` colors, the first of them the class's own.
    """
    own = tuple(int(part) for part in color)
    hue, lightness, saturation = colorsys.rgb_to_hls(*(part / 255 for part in own))
    lowest, highest = SHADES_LIGHTNESS
    darkest = min(max(lightness - SHADES_SPAN / 2, lowest), highest - SHADES_SPAN)
    place = min(max((lightness - darkest) / SHADES_SPAN, 0.0), 1.0)
    result = [own]
    for index in range(1, count):
        # Steps of two unrelated irrational numbers: pairs that are spread out however many there are.
        shade = darkest + SHADES_SPAN * ((place + index * GOLDEN_RATIO) % 1.0)
        turned = hue + SHADES_TURN * (index * 2**0.5 % 1.0 - 0.5)
        # A little color even in grays, whose shades would differ in lightness alone.
        rgb = colorsys.hls_to_rgb(turned % 1.0, shade, max(saturation, 0.4))
        result.append(tuple(round(255 * part) for part in rgb))
    return result[:count]


def segment_colors(
    labels: ndarray, boxes: ndarray, is_thing: ndarray, palette: Sequence[Color]
) -> list[tuple[int, int, int]]:
    """Chooses a color for each segment: stuff has its class's, things have shades of theirs.

    Each thing takes the next shade of its class that is clearly unlike the colors of its neighbors.

    Args:
        labels: (S,) classes.
        boxes: (S, 4) left, top, right and bottom edge in pixels; segments whose boxes nearly touch are neighbors.
        is_thing: (S,) bool.
        palette: red, green and blue of every class, 0..255.

    Returns:
        S colors.
    """
    colors: list[tuple[int, int, int]] = [tuple(int(part) for part in palette[label]) for label in labels]
    left, top, right, bottom = np.asarray(boxes, np.float64).reshape(-1, 4).T
    reach = NEARBY * np.maximum(right - left, bottom - top)
    left, top, right, bottom = left - reach, top - reach, right + reach, bottom + reach
    is_colored, seen = ~np.asarray(is_thing, bool), Counter()
    for index in np.flatnonzero(is_thing).tolist():
        label = int(labels[index])
        touches = (left <= right[index]) & (left[index] <= right) & (top <= bottom[index]) & (top[index] <= bottom)
        near = np.flatnonzero(touches & is_colored)
        choices = shades(palette[label], seen[label] + CHOICES)[seen[label] :]
        if len(near):
            apart = color_distances(choices, [colors[other] for other in near]).min(1)
            clear = np.flatnonzero(apart >= CLEAR)
            colors[index] = choices[clear[0] if len(clear) else apart.argmax()]
        else:
            colors[index] = choices[0]
        is_colored[index] = True
        seen[label] += 1
    return colors


def color_distances(one: Sequence[Color], other: Sequence[Color]) -> ndarray:
    """(n, m) distances in CIE L*a*b*, about as large as differences look, of each of n colors to each of m."""
    one, other = (
        cv2.cvtColor(np.array([colors], np.float32) / 255, cv2.COLOR_RGB2LAB)[0].astype(np.float64)
        for colors in (one, other)
    )
    return np.linalg.norm(one[:, None] - other, axis=-1)


def ink_on(color: Color) -> tuple[int, int, int]:
    """Black or white, which of the two is more legible on a color."""
    red, green, blue = color
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
