"""Pictures of segments and instances: things in shades of their class's color, borders, boxes, names and scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
from numpy import ndarray

from mmmaskformer.segments import Instances, SegmentMap

from .colors import Color, blend, segment_colors
from .legend import UNCOLORED_VOID, LegendEntry, at_most, percent
from .pictures import MIN_TEXT, check_size, enlarge, enlargement, repeat, side_by_side, with_legend
from .text_labels import draw_labels, place_labels

MIN_SIDE = 1280  # the longer one of a picture, in pixels: below it, segments have no room for their names
MIN_SIDE_OF_PANELS = 640
PANEL_OPACITY = 0.65
WHITE = (255, 255, 255)
# Shares of the picture's longer side.
NAME_SHARE = 1 / 80
LEGEND_SHARE = 1 / 64
BORDER_SHARE = 1 / 700


def draw_segments(
    image: ndarray,
    found: SegmentMap | Instances,
    classes: Sequence[str],
    palette: Sequence[Color],
    opacity: float = 0.5,
    zoom: int = 1,
) -> ndarray:
    """Draws segments over an image with borders, names and scores, and instances with their boxes, too.

    Stuff has the color of its class. Things have shades of it, unlike those of their neighbors; box, mask and name of
    an object have one color. Of instances, small ones are on top.

    Args:
        image: (H, W, 3) uint8, RGB.
        found: the segments; void is left uncolored.
        classes: name of every class.
        palette: red, green and blue of every class, 0..255.
        opacity: 0 shows the image alone, 1 the colors alone.
        zoom: how many times the picture is enlarged.

    Returns:
        (zoom * H, zoom * W, 3) uint8, RGB.
    """
    seen = found.layered() if isinstance(found, Instances) else found
    check_size("map of segments", seen.ids, image)
    colors = segment_colors(seen.labels, found.boxes, seen.is_thing, palette)
    ids = repeat(seen.ids, zoom)
    picture = blend(enlarge(image, zoom), ids, colors, opacity)
    edges = np.zeros(ids.shape, np.uint8)
    edges[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    edges[1:] |= ids[1:] != ids[:-1]
    thickness = max(1, round(max(picture.shape) * BORDER_SHARE))
    picture[cv2.dilate(edges, np.ones((thickness, thickness), np.uint8)) > 0] = WHITE
    if isinstance(found, Instances):
        for color, (left, top, right, bottom) in zip(colors, (zoom * found.boxes).round().astype(int).tolist()):
            cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), color, 2 * thickness)
    size = max(MIN_TEXT, round(max(picture.shape) * NAME_SHARE))
    return draw_labels(picture, place_labels(seen, classes, zoom, size), colors, size)


def draw_overlay(
    image: ndarray,
    found: SegmentMap | Instances,
    classes: Sequence[str],
    palette: Sequence[Color],
    opacity: float = 0.5,
    note: str = "",
) -> ndarray:
    """Draws segments or instances over an image, and below it a legend with the number of things.

    A segment that is too small for its name is in the legend alone.

    Args:
        image: (H, W, 3) uint8, RGB.
        found: all that should be seen; choose instances with :meth:`Instances.above`.
        classes: name of every class.
        palette: red, green and blue of every class, 0..255.
        opacity: 0 shows the image alone, 1 the colors alone.
        note: last line of the legend.

    Returns:
        (H', W', 3) uint8, RGB. A small image is enlarged a whole number of times.
    """
    zoom = enlargement(image.shape[:2], MIN_SIDE)
    picture = draw_segments(image, found, classes, palette, opacity, zoom)
    return with_legend(picture, legend_entries([found], classes, palette, note), LEGEND_SHARE)


def draw_panels(
    image: ndarray,
    truth: SegmentMap | Instances,
    prediction: SegmentMap | Instances,
    classes: Sequence[str],
    palette: Sequence[Color],
    note: str = "",
) -> ndarray:
    """Draws image, true and predicted segments or instances side by side; the legend counts both one's things.

    Args:
        image: (H, W, 3) uint8, RGB.
        truth: what is there.
        prediction: what the model found.
        classes: name of every class.
        palette: red, green and blue of every class, 0..255.
        note: last line of the legend.

    Returns:
        (H', W', 3) uint8, RGB.
    """
    zoom = enlargement(image.shape[:2], MIN_SIDE_OF_PANELS)
    painted = (draw_segments(image, found, classes, palette, PANEL_OPACITY, zoom) for found in (truth, prediction))
    entries = legend_entries([truth, prediction], classes, palette, note)
    return side_by_side([enlarge(image, zoom), *painted], ("image", "truth", "prediction"), entries)


def legend_entries(
    shown: Sequence[SegmentMap | Instances], classes: Sequence[str], palette: Sequence[Color], note: str = ""
) -> list[LegendEntry]:
    """List the classes of one picture, or of truth and prediction, the largest first.

    Args:
        shown: the segments. Things are listed with their number, the stuff of one picture with its share; void is last.
        classes: name of every class.
        palette: red, green and blue of every class, 0..255.
        note: a last line.
    """
    counts = [Counter((f.labels if isinstance(f, Instances) else f.labels[f.is_thing]).tolist()) for f in shown]
    areas, crowds, pixels, covered = Counter[int](), set[int](), 0, 0
    for found in shown:
        for label, area in zip(found.labels.tolist(), found.areas.tolist()):
            areas[label] += area
        if isinstance(found, SegmentMap):
            crowds.update(found.labels[found.crowds].tolist())
            pixels, covered = pixels + found.ids.size, covered + int(found.areas.sum())

    def text(label: int) -> str:
        name = classes[label]
        if len(shown) == 2 and any(count[label] for count in counts):
            return f"{name}: {counts[0][label]} true, {counts[1][label]} found"
        things = f" ×{counts[0][label]}" if counts[0][label] else ""
        crowd = " (crowd)" if label in crowds else ""
        share = "" if things or crowd or len(shown) == 2 else f" {percent(areas[label] / pixels)}"
        return name + things + crowd + share

    entries = [LegendEntry(tuple(palette[label]), text(label)) for label, area in areas.most_common() if area]
    last = []
    if covered < pixels:
        share = f" {percent(1 - covered / pixels)}" if len(shown) == 1 else ""
        last = [LegendEntry(UNCOLORED_VOID.color, UNCOLORED_VOID.text + share)]
    return at_most(entries, last) + ([LegendEntry(None, note)] if note else [])
