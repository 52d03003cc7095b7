"""From label maps to colours."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from numpy import ndarray

Colour = Sequence[int]
VOID_COLOUR = (0, 0, 0)
GOLDEN_RATIO = 0.618033988749895


def distinct_palette(count: int) -> list[list[int]]:
    """Colours for classes that have none: hues far apart, in alternating brightness; the same ones every time.

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


def paint(labels: ndarray, palette: Sequence[Colour]) -> ndarray:
    """Colours a label map.

    Args:
        labels: (H, W) integers; a label outside the palette is void.
        palette: red, green and blue of every class, 0..255.

    Returns:
        (H, W, 3) uint8, RGB; void is black.
    """
    table = np.array([*palette, VOID_COLOUR], dtype=np.uint8).reshape(-1, 3)
    return table[np.where(is_void(labels, len(palette)), len(palette), labels)]


def blend(image: ndarray, labels: ndarray, palette: Sequence[Colour], opacity: float) -> ndarray:
    """Lays the colours of a label map over an image; void stays as it is.

    Args:
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) integers.
        palette: red, green and blue of every class, 0..255.
        opacity: 0 shows the image alone, 1 the colours alone.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    if image.shape != (*labels.shape, 3):
        raise ValueError(f"an image (H, W, 3) and its label map (H, W) differ: {image.shape} and {labels.shape}")
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity={opacity} must lie between 0 and 1")
    blended = np.empty_like(image)
    # By strips: the float temporaries of a 20-megapixel image are half a gigabyte.
    for start in range(0, len(image), 256):
        rows = slice(start, start + 256)
        share = np.where(is_void(labels[rows], len(palette)), 0.0, opacity).astype(np.float32)[..., None]
        mixed = image[rows] * (1 - share) + paint(labels[rows], palette) * share
        blended[rows] = np.rint(mixed)
    return blended


def is_void(labels: ndarray, num_classes: int) -> ndarray:
    """(H, W) bool, True where the label is no class."""
    return (labels < 0) | (labels >= num_classes)
