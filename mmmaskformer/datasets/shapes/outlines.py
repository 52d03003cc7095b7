"""The things of Shapes: which points lie inside of the five outlines, and how surfaces look."""

from __future__ import annotations

import colorsys
import math

import numpy as np
from numpy import ndarray
from numpy.random import Generator

from mmmaskformer.datasets.shapes.textures import blend, triangle_wave, value_noise


def inside_circle(u: ndarray, v: ndarray) -> ndarray:
    """Points of the unit disc."""
    return u * u + v * v <= 1


def inside_square(u: ndarray, v: ndarray) -> ndarray:
    """Points of a square with its corners near the unit circle."""
    return np.maximum(np.abs(u), np.abs(v)) <= 0.8


def inside_triangle(u: ndarray, v: ndarray) -> ndarray:
    """Points of an equilateral triangle with its corners beyond the unit circle."""
    slanted = 0.8660254 * np.abs(u)
    return (slanted + 0.5 * v <= 0.58) & (-v <= 0.58)


def inside_star(u: ndarray, v: ndarray) -> ndarray:
    """Points of a five-pointed star: those inside at least four of the pentagram's five half-planes."""
    planes = sum((u * x + v * y <= 0.42).astype(np.uint8) for x, y in STAR_NORMALS)
    return (planes >= 4) & (u * u + v * v <= 1.9)


def inside_cross(u: ndarray, v: ndarray) -> ndarray:
    """Points of a plus sign."""
    across, along = np.minimum(np.abs(u), np.abs(v)), np.maximum(np.abs(u), np.abs(v))
    return (across <= 0.34) & (along <= 1)


# Rounded, because cosines may differ in their last bit between platforms.
STAR_NORMALS = [(round(math.cos(2 * math.pi * k / 5), 9), round(math.sin(2 * math.pi * k / 5), 9)) for k in range(5)]
OUTLINES = {
    "circle": inside_circle,
    "square": inside_square,
    "triangle": inside_triangle,
    "star": inside_star,
    "cross": inside_cross,
}


def coverage(
    name: str, height: int, width: int, center: tuple[float, float], radius: float, angle: float
) -> tuple[ndarray, ndarray, ndarray]:
    """Share of every pixel that a shape covers, from 4 x 4 points in it.

    Args:
        name: a key of ``OUTLINES``.
        height, width: size of the picture in pixels.
        center: y and x in pixels.
        radius: half the shape's size in pixels.
        angle: rotation in radians.

    Returns:
        (H, W) coverage in 0..1, and the (H, W) coordinates u, v of the pixel centers in the shape's own frame.
    """
    cos, sin = round(math.cos(angle), 9), round(math.sin(angle), 9)

    def frame(rows: tuple[int, int], columns: tuple[int, int], points: int) -> tuple[ndarray, ndarray]:
        y, x = (
            (np.arange(first * points, last * points) + 0.5) / points - middle
            for (first, last), middle in zip((rows, columns), center)
        )
        y, x = y[:, None] / radius, x[None, :] / radius
        return cos * x + sin * y, cos * y - sin * x

    # No outline reaches beyond 1.4 radii, and 16 points a pixel are only worth their time near the shape.
    rows, columns = (
        (max(int(middle - 1.4 * radius) - 1, 0), min(int(middle + 1.4 * radius) + 2, size))
        for middle, size in zip(center, (height, width))
    )
    hits = OUTLINES[name](*frame(rows, columns, 4)).reshape(rows[1] - rows[0], 4, columns[1] - columns[0], 4)
    cover = np.zeros((height, width))
    cover[slice(*rows), slice(*columns)] = hits.sum(axis=(1, 3)) / 16
    return cover, *frame((0, height), (0, width), 1)


def plain(u: ndarray, v: ndarray) -> ndarray:
    """One color."""
    return np.zeros_like(u)


def striped(u: ndarray, v: ndarray) -> ndarray:
    """Stripes along the thing's own vertical."""
    return np.where(triangle_wave(u * 1.4) > 0.5, 1.0, 0.0)


def checkered(u: ndarray, v: ndarray) -> ndarray:
    """Return a checker-board."""
    return np.where((np.floor(u * 2.5) + np.floor(v * 2.5)) % 2 > 0, 1.0, 0.0)


def shaded(u: ndarray, v: ndarray) -> ndarray:
    """From one color to the other."""
    return np.clip(0.5 + 0.5 * v, 0, 1)


# Share of the second color in 0..1 at coordinates u, v in the thing's frame.
PATTERNS = {"plain": plain, "striped": striped, "checkered": checkered, "shaded": shaded}


def surface(rng: Generator, u: ndarray, v: ndarray, hue: float | None = None, pattern: str | None = None) -> ndarray:
    """Color of a thing, lit from one side.

    Args:
        rng: source of colors, pattern and light.
        u, v: (H, W) coordinates in the thing's frame.
        hue: of a full turn; what the pattern lays over it is gray then. By default any two colors.
        pattern: a key of ``PATTERNS``; by default any.

    Returns:
        (H, W, 3) in 0..255.
    """
    if hue is None:
        first, second = (any_color(rng) for _ in range(2))
    else:
        first, second = near_hue(rng, hue), np.full(3, 255 * rng.choice([0.08, 0.95]))
    if pattern is None:
        pattern = list(PATTERNS)[rng.integers(4)]
    share = PATTERNS[pattern](u, v)
    lit = np.clip(0.85 - 0.28 * (rng.choice([-1, 1]) * u + v), 0.45, 1.15)
    grain = 0.94 + 0.12 * value_noise(rng, *u.shape, (3, 3))
    return np.clip(blend(first, second, 0.7 * share) * (lit * grain)[..., None], 0, 255)


def any_color(rng: Generator) -> ndarray:
    """Return a color of random hue, saturation and brightness, (3,) in 0..255."""
    return 255 * np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.35, 1), rng.uniform(0.45, 1)))


def near_hue(rng: Generator, hue: float) -> ndarray:
    """Return a strong color whose hue is at most 0.02 of a turn off, (3,) in 0..255."""
    turn = (hue + rng.uniform(-0.02, 0.02)) % 1
    return 255 * np.array(colorsys.hsv_to_rgb(turn, rng.uniform(0.7, 1), rng.uniform(0.65, 1)))
