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
    picture = blend(enlarge(image, zoom), ids - 1, colors, opacity)
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


def draw_segment_overlay(
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
    entries = segment_entries(found, classes, palette) + notes(note)
    return with_legend(picture, entries, LEGEND_SHARE)


def draw_segment_panels(
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
    entries = panel_entries(truth, prediction, classes, palette) + notes(note)
    return side_by_side([enlarge(image, zoom), *painted], ("image", "truth", "prediction"), entries)


def notes(text: str) -> list[LegendEntry]:
    """The legend's line for a text, if there is any."""
    return [LegendEntry(None, text)] if text else []


def segment_entries(
    found: SegmentMap | Instances, classes: Sequence[str], palette: Sequence[Color]
) -> list[LegendEntry]:
    """A legend of one picture: the number of each class's things, the share of stuff; the largest class first.

    Args:
        found: the segments; the share of void is the last line, if there is any between segments that do not overlap.
        classes: name of every class.
        palette: red, green and blue of every class, 0..255.
    """
    counts, areas = count_things(found), class_areas(found)
    total = None if isinstance(found, Instances) else found.ids.size
    crowds = set() if total is None else set(found.labels[found.crowds].tolist())

    def text(label: int) -> str:
        things = f" ×{counts[label]}" if counts[label] else ""
        crowd = " (crowd)" if label in crowds else ""
        share = "" if things or crowd else f" {percent(areas[label] / total)}"
        return classes[label] + things + crowd + share

    entries = [LegendEntry(tuple(palette[label]), text(label)) for label, _ in areas.most_common()]
    empty = 0 if total is None else 1 - areas.total() / total
    last = LegendEntry(UNCOLORED_VOID.color, f"{UNCOLORED_VOID.text} {percent(empty)}")
    return at_most(entries, [last] if empty else [])


def panel_entries(
    truth: SegmentMap | Instances,
    prediction: SegmentMap | Instances,
    classes: Sequence[str],
    palette: Sequence[Color],
) -> list[LegendEntry]:
    """A legend of two pictures: the classes of both, and of things how many are there and how many were found."""
    true, found = count_things(truth), count_things(prediction)

    def text(label: int) -> str:
        things = true[label] or found[label]
        return f"{classes[label]}: {true[label]} true, {found[label]} found" if things else classes[label]

    areas = class_areas(truth) + class_areas(prediction)
    return at_most([LegendEntry(tuple(palette[label]), text(label)) for label, _ in areas.most_common()])


def count_things(found: SegmentMap | Instances) -> Counter[int]:
    """How many things there are of each class."""
    return Counter((found.labels if isinstance(found, Instances) else found.labels[found.is_thing]).tolist())


def class_areas(found: SegmentMap | Instances) -> Counter[int]:
    """Pixels of each class; those of overlapping instances count for each."""
    areas: Counter[int] = Counter()
    for label, area in zip(found.labels.tolist(), found.areas.tolist()):
        areas[label] += area
    return areas
