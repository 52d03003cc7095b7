"""The five stuff textures of Shapes.

Only sums, products and integer draws are used on arrays: these are exact in IEEE arithmetic, so that the pictures are
the same on every platform, which sines and exponentials do not promise.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray
from numpy.random import Generator


def value_noise(rng: Generator, height: int, width: int, cell: tuple[float, float]) -> ndarray:
    """Smooth noise: random values on a lattice, interpolated between its points.

    Args:
        rng: source of the lattice's values.
        height, width: size of the picture in pixels.
        cell: distance of the lattice's points along y and x, in pixels.

    Returns:
        (height, width) values in 0..1.
    """
    rows, columns = (int(size / step) + 2 for size, step in zip((height, width), cell))
    lattice = rng.random((rows, columns))
    y, x = np.arange(height) / cell[0], np.arange(width) / cell[1]
    top, left = y.astype(int), x.astype(int)
    down, right = smooth_step(y - top)[:, None], smooth_step(x - left)[None, :]
    upper = lattice[top][:, left] * (1 - right) + lattice[top][:, left + 1] * right
    lower = lattice[top + 1][:, left] * (1 - right) + lattice[top + 1][:, left + 1] * right
    return upper * (1 - down) + lower * down


def smooth_step(t: ndarray) -> ndarray:
    """Return the cubic from 0 to 1 with level ends, for ``t`` in 0..1."""
    return t * t * (3 - 2 * t)


def triangle_wave(phase: ndarray) -> ndarray:
    """Return a wave of period 1 between 0 and 1."""
    return np.abs(2 * (phase - np.floor(phase)) - 1)


def blend(first: ndarray, second: ndarray, share: ndarray) -> ndarray:
    """Colors between two.

    Args:
        first, second: (3,) or (H, W, 3) colors.
        share: (H, W) share of the second in 0..1.

    Returns:
        (H, W, 3) colors.
    """
    return first + (second - first) * share[..., None]


def jitter(rng: Generator, color: tuple[int, int, int], amount: int) -> ndarray:
    """Return a color near the given one, (3,) in 0..255."""
    return np.clip(np.array(color) + rng.integers(-amount, amount + 1, 3), 0, 255).astype(float)


def sky(rng: Generator, height: int, width: int) -> ndarray:
    """Blue, gray or sunset sky with clouds, (H, W, 3) in 0..255."""
    zenith, horizon = (
        ((60, 120, 205), (180, 212, 240)),
        ((120, 132, 150), (196, 202, 208)),
        ((70, 80, 150), (245, 176, 120)),
    )[rng.integers(3)]
    height_share = np.broadcast_to((np.arange(height) / height)[:, None], (height, width))
    colors = blend(jitter(rng, zenith, 18), jitter(rng, horizon, 12), height_share)
    clouds = 0.65 * value_noise(rng, height, width, (16, 34)) + 0.35 * value_noise(rng, height, width, (6, 13))
    cover = np.clip((clouds - rng.uniform(0.42, 0.62)) * 4, 0, 0.85)
    return blend(colors, jitter(rng, (244, 244, 246), 8), cover)


def grass(rng: Generator, height: int, width: int) -> ndarray:
    """Blades and patches of green or dry grass, (H, W, 3) in 0..255."""
    dark, light = (((38, 84, 30), (120, 168, 62)), ((92, 92, 36), (182, 172, 84)))[rng.integers(2)]
    patches = value_noise(rng, height, width, (22, 30))
    blades = value_noise(rng, height, width, (7, 1.6))
    return blend(jitter(rng, dark, 14), jitter(rng, light, 14), 0.35 * patches + 0.65 * blades)


def water(rng: Generator, height: int, width: int) -> ndarray:
    """Horizontal ripples with glints, (H, W, 3) in 0..255."""
    deep, bright = (((20, 62, 112), (96, 158, 196)), ((24, 84, 86), (120, 186, 170)))[rng.integers(2)]
    drift = value_noise(rng, height, width, (10, 26))
    rows = np.arange(height)[:, None] / rng.uniform(5, 8)
    ripples = triangle_wave(rows + 2.2 * drift)
    shimmer = value_noise(rng, height, width, (1.7, 9))
    colors = blend(jitter(rng, deep, 12), jitter(rng, bright, 12), 0.6 * ripples + 0.4 * shimmer)
    glints = np.clip((ripples * shimmer - 0.55) * 4, 0, 0.8)
    return blend(colors, np.array([236.0, 242.0, 246.0]), glints)


def sand(rng: Generator, height: int, width: int) -> ndarray:
    """Grains on slanted dunes, (H, W, 3) in 0..255."""
    dark, light = (((164, 130, 84), (232, 206, 152)), ((150, 140, 122), (220, 210, 190)))[rng.integers(2)]
    slope = rng.uniform(-0.6, 0.6)
    along = np.arange(height)[:, None] + slope * np.arange(width)[None, :]
    dunes = triangle_wave(along / rng.uniform(18, 30) + value_noise(rng, height, width, (30, 40)))
    grains = rng.random((height, width))
    return blend(jitter(rng, dark, 12), jitter(rng, light, 10), 0.25 + 0.4 * dunes + 0.35 * grains)


def brick(rng: Generator, height: int, width: int) -> ndarray:
    """Courses of bricks, each of its own shade, in mortar, (H, W, 3) in 0..255."""
    dark, light = (((112, 46, 36), (190, 92, 66)), ((88, 84, 80), (158, 150, 142)), ((134, 92, 52), (206, 164, 108)))[
        rng.integers(3)
    ]
    course, length = int(rng.integers(7, 11)), int(rng.integers(14, 21))
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    row = y // course
    shifted = x + (row % 2) * (length // 2)
    column = shifted // length
    shades = rng.random((height // course + 1, (width + length) // length + 1))
    wear = value_noise(rng, height, width, (2.5, 2.5))
    colors = blend(jitter(rng, dark, 12), jitter(rng, light, 12), 0.65 * shades[row, column] + 0.35 * wear)
    mortar = (y % course == 0) | (shifted % length == 0)
    return blend(colors, jitter(rng, (196, 190, 180), 16), np.where(mortar, 0.8, 0.0))


TEXTURES = {"sky": sky, "grass": grass, "water": water, "sand": sand, "brick": brick}
