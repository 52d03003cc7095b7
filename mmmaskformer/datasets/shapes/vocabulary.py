"""Which things a picture of Shapes may hold, how often, and how they look."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.random import Generator

from mmmaskformer.datasets.shapes.outlines import OUTLINES, PATTERNS
from mmmaskformer.datasets.shapes.textures import TEXTURES

STUFF = tuple(TEXTURES)
# Hues of a full turn. Far enough apart that what varies within one class never crosses into another.
HUES = {
    "red": 0.0,
    "orange": 0.083,
    "yellow": 0.16,
    "green": 0.33,
    "turquoise": 0.48,
    "blue": 0.61,
    "violet": 0.76,
    "pink": 0.89,
}


@dataclass(frozen=True)
class Look:
    """What a thing's class says of its appearance.

    Attributes:
        outline: a key of ``OUTLINES``.
        hue: of a full turn; None for any color.
        pattern: a key of ``PATTERNS``; None for any.
    """

    outline: str
    hue: float | None = None
    pattern: str | None = None


@dataclass(frozen=True)
class Vocabulary:
    """The classes of a variant of Shapes: things first, then the stuff that all variants share.

    mmdet numbers panoptic classes in this order, and semantic labels then agree with its own.

    Attributes:
        looks: of every thing class, by its name.
        palette: a color for every class.
        long_tailed: whether the thing class of rank r is drawn with a chance proportional to 1 / r, and not as often
            as any other.
    """

    looks: dict[str, Look]
    palette: list[list[int]]
    long_tailed: bool = False

    @property
    def things(self) -> tuple[str, ...]:
        return tuple(self.looks)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.things + STUFF

    def chances(self) -> np.ndarray:
        """Chance of every thing class, (T,)."""
        count = len(self.looks)
        if not self.long_tailed:
            return np.full(count, 1 / count)
        # Ranks are scattered over outlines, hues and patterns, so that no property is rare or frequent as a whole.
        ranks = np.arange(count) * RANK_STEP % count + 1
        return (1 / ranks) / (1 / ranks).sum()

    def pick(self, rng: Generator) -> int:
        """Return a thing class by its chance."""
        if not self.long_tailed:
            return int(rng.integers(len(self.looks)))
        return int(np.searchsorted(np.cumsum(self.chances())[:-1], rng.random(), side="right"))


RANK_STEP = 77  # has no factor in common with the 120 things below, so every rank occurs once
PLAIN = Vocabulary(
    looks={outline: Look(outline) for outline in OUTLINES},
    palette=[
        [230, 25, 75],
        [245, 130, 48],
        [255, 225, 25],
        [145, 30, 180],
        [240, 50, 230],
        [130, 190, 255],
        [60, 180, 75],
        [0, 60, 160],
        [225, 200, 140],
        [150, 70, 50],
    ],
)


def long_tailed() -> Vocabulary:
    """Every outline in every hue and three patterns; a class has its hue as color, whose strength tells the rest."""
    patterns = [name for name in PATTERNS if name != "shaded"]  # hard to tell from plain on a thing lit from one side
    looks, palette = {}, []
    for (i, outline), (hue, turn), (k, pattern) in product(enumerate(OUTLINES), HUES.items(), enumerate(patterns)):
        looks[f"{hue} {pattern} {outline}"] = Look(outline, turn, pattern)
        palette.append([round(255 * part) for part in colorsys.hsv_to_rgb(turn, 1 - 0.15 * i, 0.95 - 0.2 * k)])
    return Vocabulary(looks, palette + PLAIN.palette[-len(STUFF) :], long_tailed=True)


VOCABULARIES = {"plain": PLAIN, "long-tailed": long_tailed()}
