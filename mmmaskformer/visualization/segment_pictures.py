"""Pictures of panoptic and instance results: things in shades of their class's color, borders, names and scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
from numpy import ndarray

from .colors import Color, blend, shades
from .legend import UNCOLORED_VOID, LegendEntry, at_most, percent
from .pictures import MIN_TEXT, check_size, enlarge, enlargement, side_by_side, with_legend
from .segments import Instances, Segment, SegmentMap, visible_segments
from .text_labels import draw_labels, place_labels

MIN_SIDE = 1280  # the longer one of a picture, in pixels: below it, segments have no room for their names
MIN_SIDE_OF_PANELS = 640
PANEL_OPACITY = 0.65
WHITE = (255, 255, 255)
# Shares of the picture's longer side.
NAME_SHARE = 1 / 80
LEGEND_SHARE = 1 / 64
BORDER_SHARE = 1 / 700


def draw_panoptic(
    image: ndarray, found: SegmentMap, classes: Sequence[str], palette: Sequence[Color], opacity: float = 0.5
) -> ndarray:
    """Segments over the image with borders, names and scores, and below it a legend with the number of things.

    Stuff has the color of its class, things have shades of it. A segment that is too small for its name is in the
    legend alone.

    Args:
        image: (H, W, 3) uint8, RGB.
        found: the segments; void is left uncolored.
        classes: name of every class.
        palette: red, green and blue of every class, 0..255.
        opacity: 0 shows the image alone, 1 the colors alone.

    Returns:
        (H', W', 3) uint8, RGB. A small image is enlarged a whole number of times.
    """
    zoom = enlargement(image.shape[:2], MIN_SIDE)
    picture = draw_names(paint_segments(image, found, palette, opacity, zoom), found, classes, zoom)
    return with_legend(picture, segment_entries(found, classes, palette), LEGEND_SHARE)


def draw_instances(
    image: ndarray, instances: Instances, classes: Sequence[str], palette: Sequence[Color], opacity: float = 0.5
) -> ndarray:
    """Instances over the image, small ones on top, with borders, boxes, names and scores, and a legend below.

    Args:
        image: (H, W, 3) uint8, RGB.
        instances: all that should be seen; choose them with :meth:`Instances.above`.
        classes: name of every class.
        palette: red, green and blue of every class, 0..255.
        opacity: 0 shows the image alone, 1 the colors alone.

    Returns:
        (H', W', 3) uint8, RGB. A small image is enlarged a whole number of times.
    """
    zoom = enlargement(image.shape[:2], MIN_SIDE)
    seen = visible_segments(instances)
    picture = paint_segments(image, seen, palette, opacity, zoom)
    for label, (left, top, right, bottom) in zip(instances.labels, (zoom * instances.boxes).round().astype(int)):
        cv2.rectangle(
            picture, (left, top), (right - 1, bottom - 1), tuple(map(int, palette[label])), line_width(picture)
        )
    picture = draw_names(picture, seen, classes, zoom)
    return with_legend(picture, segment_entries(seen, classes, palette, void=False), LEGEND_SHARE)


def draw_segment_panels(
    image: ndarray, truth: SegmentMap, prediction: SegmentMap, classes: Sequence[str], palette: Sequence[Color]
) -> ndarray:
    """Image, true segments and predicted segments side by side; the legend counts both one's things.

    Args:
        image: (H, W, 3) uint8, RGB.
        truth: the segments that are there.
        prediction: those that the model found.
        classes: name of every class.
        palette: red, green and blue of every class, 0..255.

    Returns:
        (H', W', 3) uint8, RGB.

    Raises:
        ValueError: a map is not of the image's size.
    """
    for name, found in (("truth", truth), ("prediction", prediction)):
        check_size(name, found.ids, image)
    zoom = enlargement(image.shape[:2], MIN_SIDE_OF_PANELS)
    panels = [enlarge(image, zoom)]
    for found in (truth, prediction):
        painted = paint_segments(image, found, palette, PANEL_OPACITY, zoom)
        panels.append(draw_names(painted, found, classes, zoom))
    entries = panel_entries(truth, prediction, classes, palette)
    return side_by_side(panels, ("image", "truth", "prediction"), entries)


def paint_segments(image: ndarray, found: SegmentMap, palette: Sequence[Color], opacity: float, zoom: int) -> ndarray:
    """The image, enlarged, under the colors of its segments with white lines between them."""
    picture = enlarge(blend(image, found.ids - 1, segment_colors(found.segments, palette), opacity), zoom).copy()
    ids = enlarge(found.ids, zoom)
    edges = np.zeros(ids.shape, np.uint8)
    edges[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    edges[1:] |= ids[1:] != ids[:-1]
    thickness = line_width(picture)
    picture[cv2.dilate(edges, np.ones((thickness, thickness), np.uint8)) > 0] = WHITE
    return picture


def draw_names(picture: ndarray, found: SegmentMap, classes: Sequence[str], zoom: int) -> ndarray:
    """Writes names and scores on the segments of a picture that is ``zoom`` times as large as their map."""
    size = max(MIN_TEXT, round(max(picture.shape) * NAME_SHARE))
    return draw_labels(picture, place_labels(found, classes, zoom, size), size)


def line_width(picture: ndarray) -> int:
    """Pixels of the lines between segments."""
    return max(1, round(max(picture.shape) * BORDER_SHARE))


def segment_colors(segments: Sequence[Segment], palette: Sequence[Color]) -> list[tuple[int, int, int]]:
    """The color of each segment: its class's, or a shade of it where there are several of the class."""
    counts = Counter(segment.label for segment in segments)
    unused = {label: iter(shades(palette[label], count)) for label, count in counts.items()}
    return [next(unused[segment.label]) for segment in segments]


def segment_entries(
    found: SegmentMap, classes: Sequence[str], palette: Sequence[Color], void: bool = True
) -> list[LegendEntry]:
    """A legend of one picture: the number of each class's things, the share of stuff; the largest class first.

    Args:
        found: the segments.
        classes: name of every class.
        palette: red, green and blue of every class, 0..255.
        void: whether to tell the share of void, if there is any.
    """
    counts, areas = count_things(found), class_areas(found)

    def text(label: int) -> str:
        things = f" ×{counts[label]}" if counts[label] else ""
        crowd = " (crowd)" if any(s.label == label and s.is_crowd for s in found.segments) else ""
        share = "" if things or crowd else f" {percent(areas[label] / found.ids.size)}"
        return classes[label] + things + crowd + share

    entries = [LegendEntry(tuple(palette[label]), text(label)) for label, _ in areas.most_common()]
    empty = 1 - areas.total() / found.ids.size
    last = LegendEntry(UNCOLORED_VOID.color, f"{UNCOLORED_VOID.text} {percent(empty)}")
    return at_most(entries, [last] if void and empty else [])


def panel_entries(
    truth: SegmentMap, prediction: SegmentMap, classes: Sequence[str], palette: Sequence[Color]
) -> list[LegendEntry]:
    """A legend of two pictures: the classes of both, and of things how many are there and how many were found."""
    true, found = count_things(truth), count_things(prediction)

    def text(label: int) -> str:
        things = true[label] or found[label]
        return f"{classes[label]} ×{true[label]} | ×{found[label]}" if things else classes[label]

    areas = class_areas(truth) + class_areas(prediction)
    return at_most([LegendEntry(tuple(palette[label]), text(label)) for label, _ in areas.most_common()])


def count_things(found: SegmentMap) -> Counter[int]:
    """How many things there are of each class."""
    return Counter(segment.label for segment in found.segments if segment.is_thing)


def class_areas(found: SegmentMap) -> Counter[int]:
    """Pixels of each class."""
    areas: Counter[int] = Counter()
    for segment in found.segments:
        areas[segment.label] += segment.area
    return areas
