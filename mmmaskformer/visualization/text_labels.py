"""Names and scores written on segments: each inside its own and on its color, none over another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

from mmmaskformer.segments import Segment, SegmentMap

from .colors import Color, ink_on
from .legend import font

CELLS = 8  # a text is as many cells wide and as many high: how finely places are compared
LEAST_ROOM = 1.5  # cells from a text's middle to the edge of the segment; with less, the text would hide the segment
MARGIN = 1 / 4  # around a text, of its size
LINE = 1.2  # of the text's size


@dataclass(frozen=True)
class Label:
    """A text of one or two lines, the middle of its place and its size, all in pixels, and its segment's number."""

    text: str
    segment: int
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0

    def overlaps(self, other: Label, x: ndarray, y: ndarray) -> ndarray:
        """Whether this label would touch ``other`` with its middle at ``x``, ``y``, which broadcast."""
        beside = abs(x - other.x) < (self.width + other.width) / 2
        return beside & (abs(y - other.y) < (self.height + other.height) / 2)


def place_labels(found: SegmentMap, classes: Sequence[str], zoom: int, text_size: int) -> list[Label]:
    """Find places for the names, and the scores if there are any, of as many segments as have room for them.

    Args:
        found: the segments.
        classes: name of every class.
        zoom: how many times the picture is enlarged.
        text_size: height of letters in pixels of the enlarged picture.

    Returns:
        Labels in pixels of the enlarged picture.
    """
    typeface = font(text_size, bold=True)
    placed: list[Label] = []
    # Small segments first: a large one has other places.
    for segment in sorted((s for s in found.segments if s.area), key=lambda segment: segment.area):
        choices = [
            place_label(label, segment, found.ids, zoom, placed) for label in wordings(segment, classes, typeface)
        ]
        # A text fits with half its size around its middle; of wordings that fit, the first.
        room, label = max(choices, key=lambda choice: min(choice[0], CELLS / 2))
        if room >= LEAST_ROOM:
            placed.append(label)
    return placed


def wordings(segment: Segment, classes: Sequence[str], typeface: ImageFont.FreeTypeFont) -> list[Label]:
    """Return what may be written on a segment: name and score in a row or, for narrow ones, below each other."""
    name = classes[segment.label] + (" (crowd)" if segment.is_crowd else "")
    texts = [name] if segment.score is None else [f"{name} {segment.score:.2f}", f"{name}\n{segment.score:.2f}"]
    border = 2 * MARGIN * typeface.size
    labels = []
    for text in texts:
        lines = text.split("\n")
        width = max(typeface.getlength(line) for line in lines)
        labels.append(Label(text, segment.id, width + border, LINE * typeface.size * len(lines) + border))
    return labels


def place_label(
    label: Label, segment: Segment, ids: ndarray, zoom: int, placed: Sequence[Label]
) -> tuple[float, Label]:
    """Put a label where its segment is widest, off the labels that are placed already and off the picture's edges.

    Returns:
        How far the segment's edge is from the label's middle, in cells (at most ``CELLS``; 0: there is no place), and
        the label in its place.
    """
    left, top, right, bottom = segment.box
    mask = (ids[top:bottom, left:right] == segment.id).astype(np.uint8)
    columns = max(1, round(zoom * (right - left) * CELLS / label.width))
    rows = max(1, round(zoom * (bottom - top) * CELLS / label.height))
    # Squeezed until the text is a square, so that one distance tells the room on all sides of it.
    cells = (cv2.resize(255 * mask, (columns, rows), interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)
    room = cv2.distanceTransform(np.pad(cells, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1].clip(max=CELLS)
    x = zoom * (left + (np.arange(columns) + 0.5) * (right - left) / columns)
    y = zoom * (top + (np.arange(rows) + 0.5) * (bottom - top) / rows)[:, None]
    height, width = (zoom * side for side in ids.shape)
    free = (abs(x - width / 2) <= (width - label.width) / 2) & (abs(y - height / 2) <= (height - label.height) / 2)
    for other in placed:
        free &= ~label.overlaps(other, x, y)
    # Of places with equal room, the one in the middle: its distance from there counts for less than half a cell.
    off_center = np.hypot((np.arange(columns) + 0.5) / columns - 0.5, (np.arange(rows)[:, None] + 0.5) / rows - 0.5)
    best = np.unravel_index(np.where(free, room - off_center / 2, -1).argmax(), room.shape)
    there = replace(label, x=float(x[best[1]]), y=float(y[best[0], 0]))
    return float(room[best] * free[best]), there


def draw_labels(picture: ndarray, labels: Sequence[Label], colors: Sequence[Color], text_size: int) -> ndarray:
    """Write labels in black or white on their segments' colors, which is legible on any photo.

    Args:
        picture: (H, W, 3) uint8, RGB.
        labels: what to write, and where.
        colors: of the segments.
        text_size: height of letters in pixels.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    typeface = font(text_size, bold=True)
    canvas = Image.fromarray(picture)
    pen = ImageDraw.Draw(canvas)
    for label in labels:
        color = tuple(colors[label.segment - 1])
        corners = (
            label.x - label.width / 2,
            label.y - label.height / 2,
            label.x + label.width / 2 - 1,
            label.y + label.height / 2 - 1,
        )
        pen.rounded_rectangle(corners, radius=text_size / 4, fill=color)
        lines = label.text.split("\n")
        for number, line in enumerate(lines):
            y = label.y + LINE * text_size * (number - (len(lines) - 1) / 2)
            pen.text((label.x, y), line, fill=ink_on(color), font=typeface, anchor="mm")
    return np.asarray(canvas)
