"""One picture of Shapes with its ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from numpy.random import Generator

from mmmaskformer.datasets.shapes.outlines import coverage, surface
from mmmaskformer.datasets.shapes.textures import TEXTURES, value_noise
from mmmaskformer.datasets.shapes.vocabulary import PLAIN, STUFF, Vocabulary

THINGS, CLASSES = PLAIN.things, PLAIN.classes
VOID = 255
MIN_VISIBLE_SHARE = 0.6
MIN_STUFF_SHARE = 0.03


@dataclass
class Scene:
    """A picture and its ground truth.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        semantic: (H, W) uint8, index in the vocabulary's classes, or ``VOID`` on the outlines of things, where a pixel
            shows both sides.
        segments: (H, W) int32, 0 in void, else the number of a segment.
        labels: class of every segment; each visible thing is one, and all of one stuff class is one.
    """

    image: ndarray
    semantic: ndarray
    segments: ndarray
    labels: dict[int, int]


def draw_scene(rng: Generator, height: int, width: int, vocabulary: Vocabulary = PLAIN) -> Scene:
    """Draw a landscape of two to four stuff classes and try to put two to five things into it.

    Args:
        rng: the only source of chance.
        height, width: size of the picture in pixels.
        vocabulary: the classes, and how often each of the things is drawn.
    """
    regions, image = draw_background(rng, height, width)
    names = vocabulary.things
    semantic = (len(names) + regions).astype(np.uint8)
    thing_of_pixel = np.zeros((height, width), dtype=np.int32)
    outline = np.zeros((height, width), dtype=bool)
    things: dict[int, int] = {}
    areas: dict[int, int] = {}

    for _ in range(int(rng.integers(2, 6))):
        label = vocabulary.pick(rng)
        look = vocabulary.looks[names[label]]
        cover, u, v = place(rng, look.outline, height, width)
        solid = cover == 1
        visible = np.bincount(thing_of_pixel[~(cover > 0)], minlength=len(things) + 1)
        if any(visible[number] < MIN_VISIBLE_SHARE * area for number, area in areas.items()):
            continue
        number = len(things) + 1
        things[number], areas[number] = label, int(solid.sum())
        image *= 1 - 0.45 * shadow(cover)[..., None]
        image += (surface(rng, u, v, look.hue, look.pattern) - image) * cover[..., None]
        thing_of_pixel[cover > 0] = 0
        thing_of_pixel[solid] = number
        semantic[cover > 0] = label
        outline = (outline & (cover == 0)) | ((cover > 0) & (cover < 1))

    image += (rng.random((height, width, 1)) - 0.5) * rng.uniform(4, 18)
    semantic[outline] = VOID
    segments, labels = number_segments(semantic, thing_of_pixel, things, vocabulary)
    return Scene(np.floor(np.clip(image, 0, 255) + 0.5).astype(np.uint8), semantic, segments, labels)


def draw_background(rng: Generator, height: int, width: int) -> tuple[ndarray, ndarray]:
    """Sky over one or two grounds with an uneven border, and often a brick wall on the horizon.

    Returns:
        (H, W) indices in ``STUFF`` and (H, W, 3) colors in 0..255.
    """
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    horizon = uneven_line(rng, width, height * rng.uniform(0.3, 0.5), height * 0.08)
    grounds = [STUFF.index(name) for name in rng.permutation(["grass", "water", "sand"])[: rng.integers(1, 3)]]
    regions = np.where(y < horizon, STUFF.index("sky"), grounds[0])
    if len(grounds) > 1:
        border = uneven_line(rng, width, height * rng.uniform(0.62, 0.8), height * 0.1)
        regions[y >= border] = grounds[1]
    if rng.random() < 0.6:
        left, right = np.sort(rng.integers(0, width + 1, 2))
        if right - left < 0.3 * width:
            left, right = 0, int(width * rng.uniform(0.4, 0.8))
        top = height * rng.uniform(0.08, 0.28)
        regions[(y >= top) & (y < horizon + height * 0.06) & (x >= left) & (x < right)] = STUFF.index("brick")

    small = [k for k in range(len(STUFF)) if 0 < (regions == k).sum() < MIN_STUFF_SHARE * height * width]
    for k in small:
        regions[regions == k] = grounds[0]

    colors = np.zeros((height, width, 3))
    for k in np.unique(regions):
        texture = TEXTURES[STUFF[k]](rng, height, width)
        colors = np.where((regions == k)[..., None], texture, colors)
    light = 0.85 + 0.3 * value_noise(rng, height, width, (height, width))
    return regions, colors * light[..., None]


def uneven_line(rng: Generator, width: int, level: float, swing: float) -> ndarray:
    """Return a border from left to right, (1, W) heights in pixels around ``level``."""
    coarse, fine = value_noise(rng, 1, width, (1, width / 3)), value_noise(rng, 1, width, (1, 9))
    return level + swing * (coarse - 0.5) * 2 + 0.25 * swing * (fine - 0.5)


def place(rng: Generator, name: str, height: int, width: int) -> tuple[ndarray, ndarray, ndarray]:
    """Coverage and frame of a thing of random size, place and rotation; part of it may lie outside the picture."""
    side = min(height, width)
    radius = side * rng.uniform(0.13, 0.25)
    center = (rng.uniform(0.6 * radius, height - 0.6 * radius), rng.uniform(0.6 * radius, width - 0.6 * radius))
    return coverage(name, height, width, center, radius, rng.uniform(0, 6.28))


def shadow(cover: ndarray) -> ndarray:
    """Return the thing's shadow, (H, W) in 0..1: its coverage, moved down and to the right and softened."""
    step = max(2, round(min(cover.shape) * 0.025))
    moved = np.zeros_like(cover)
    moved[step:, step:] = cover[:-step, :-step]
    padded = np.pad(moved, 1, mode="edge")
    return (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] + 2 * moved) / 6


def number_segments(
    semantic: ndarray, thing_of_pixel: ndarray, things: dict[int, int], vocabulary: Vocabulary
) -> tuple[ndarray, dict[int, int]]:
    """Give numbers from 1 to the visible segments: every thing, then every stuff class; void is 0."""
    segments = np.zeros_like(thing_of_pixel)
    labels: dict[int, int] = {}
    for number, label in things.items():
        pixels = (thing_of_pixel == number) & (semantic != VOID)
        if pixels.any():
            labels[len(labels) + 1] = label
            segments[pixels] = len(labels)
    for label in range(len(vocabulary.things), len(vocabulary.classes)):
        pixels = semantic == label
        if pixels.any():
            labels[len(labels) + 1] = label
            segments[pixels] = len(labels)
    return segments, labels
