"""A legend: colored boxes with class names, in as many columns as fit."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

PAPER = (255, 255, 255)
INK = (20, 20, 20)
MAX_ENTRIES = 40


@dataclass(frozen=True)
class LegendEntry:
    """One line of a legend.

    Attributes:
        color: red, green and blue, 0..255; None for no box.
        text: what stands beside it.
    """

    color: tuple[int, int, int] | None
    text: str


UNCOLORED_VOID = LegendEntry(PAPER, "void (uncolored)")


def at_most(entries: Sequence[LegendEntry], last: Sequence[LegendEntry] = ()) -> list[LegendEntry]:
    """Return the first 40 entries, then ``last``, then the number of those left out if any were."""
    hidden = len(entries) - MAX_ENTRIES
    return [*entries[:MAX_ENTRIES], *last, *([LegendEntry(None, f"and {hidden} more")] if hidden > 0 else [])]


def percent(share: float) -> str:
    """Return a share for people: whole percents, and never 0 % of something that is there."""
    return "<1%" if share < 0.005 else f"{share:.0%}"


def draw_legend(entries: Sequence[LegendEntry], width: int, text_size: int) -> ndarray:
    """Draws a legend on white.

    Args:
        entries: what to show.
        width: in pixels; long names are cut to it.
        text_size: height of a line's letters in pixels.

    Returns:
        (H, width, 3) uint8, RGB; H follows from the number of lines, 0 without entries.
    """
    if not entries:
        return np.zeros((0, width, 3), np.uint8)
    typeface = font(text_size)
    box, gap = round(text_size * 1.1), round(text_size * 0.5)
    line = round(text_size * 1.6)
    room = width - 3 * gap - box
    texts = [shorten(entry.text, typeface, room) for entry in entries]
    column = max(typeface.getlength(text) for text in texts) + box + 3 * gap
    columns = max(1, min(len(texts), int((width - gap) // column)))
    lines = -(-len(texts) // columns)
    canvas = Image.new("RGB", (width, lines * line + 2 * gap), PAPER)
    pen = ImageDraw.Draw(canvas)
    for index, (entry, text) in enumerate(zip(entries, texts)):
        left = gap + round(column * (index // lines))
        top = gap + line * (index % lines)
        pad = (line - box) // 2
        if entry.color is not None:
            pen.rectangle((left, top + pad, left + box, top + pad + box), fill=entry.color, outline=INK)
        pen.text((left + box + gap, top + line / 2), text, fill=INK, font=typeface, anchor="lm")
    return np.asarray(canvas)


def draw_title(text: str, width: int, text_size: int) -> ndarray:
    """One centered line on white, (H, width, 3) uint8."""
    typeface = font(text_size)
    canvas = Image.new("RGB", (width, round(text_size * 1.7)), PAPER)
    where = (width / 2, canvas.height / 2)
    ImageDraw.Draw(canvas).text(where, shorten(text, typeface, width), fill=INK, font=typeface, anchor="mm")
    return np.asarray(canvas)


def shorten(text: str, typeface: ImageFont.FreeTypeFont, room: float) -> str:
    """``text`` on one line, cut with an ellipsis to ``room`` pixels."""
    text = " ".join(text.split())
    if typeface.getlength(text) <= room:
        return text
    while text and typeface.getlength(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…"


@functools.lru_cache(maxsize=16)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib (a dependency of MMEngine), so that pictures look alike everywhere."""
    file = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", file)), size)
