"""Whole pictures for people to look at: enlarged where small, with legible text whatever the size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy import ndarray
from PIL import Image

from mmmaskformer.files import atomic_open

from .colours import Colour, blend, paint
from .legend import PAPER, UNCOLOURED_VOID, draw_legend, draw_title, legend_entries

MIN_SIDE = 384  # the longer one of a panel, in pixels: below it names of classes do not fit
MIN_TEXT = 13
# Of the longer side: what stays legible once a large picture is shown whole on a screen.
TEXT_SHARE = 1 / 45
TEXT_SHARE_OF_PANELS = 1 / 80


def draw_overlay(
    image: ndarray,
    labels: ndarray,
    classes: Sequence[str],
    palette: Sequence[Colour],
    opacity: float = 0.5,
) -> ndarray:
    """The classes' colours over the image, and below it a legend of the classes present with their shares.

    Args:
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) integers; a label that is no class is void and is left uncoloured.
        classes: name of every class.
        palette: red, green and blue of every class, 0..255.
        opacity: 0 shows the image alone, 1 the colours alone.

    Returns:
        (H', W', 3) uint8, RGB. A small image is enlarged a whole number of times.
    """
    zoom = enlargement(labels.shape)
    picture = enlarge(blend(image, labels, palette, opacity), zoom)
    size = max(MIN_TEXT, round(max(picture.shape) * TEXT_SHARE))
    width = max(picture.shape[1], MIN_SIDE)
    legend = draw_legend(legend_entries([labels], classes, palette, True, UNCOLOURED_VOID), width, size)
    return np.concatenate([centred(picture, width), legend])


def draw_panels(
    image: ndarray,
    truth: ndarray,
    prediction: ndarray,
    classes: Sequence[str],
    palette: Sequence[Colour],
    titles: Sequence[str] = ("image", "truth", "prediction"),
) -> ndarray:
    """Image, ground truth and prediction side by side under titles, with one legend for both label maps.

    Args:
        image: (H, W, 3) uint8, RGB.
        truth: (H, W) integers; a label that is no class is void, drawn in black.
        prediction: (H, W) integers.
        classes: name of every class.
        palette: red, green and blue of every class, 0..255.
        titles: of the three panels.

    Returns:
        (H', W', 3) uint8, RGB.
    """
    for name, labels in (("truth", truth), ("prediction", prediction)):
        if labels.shape != image.shape[:2]:
            raise ValueError(f"the {name} is {labels.shape} but the image is {image.shape[:2]}: (H, W) must agree")
    zoom = enlargement(truth.shape)
    panels = [enlarge(panel, zoom) for panel in (image, paint(truth, palette), paint(prediction, palette))]
    height, width = panels[0].shape[:2]
    width = max(width, MIN_SIDE)
    size = max(MIN_TEXT, round(max(height, 3 * width) * TEXT_SHARE_OF_PANELS))
    columns = [np.concatenate([draw_title(t, width, size), centred(p, width)]) for t, p in zip(titles, panels)]
    gap = np.full((len(columns[0]), size // 2, 3), PAPER, np.uint8)
    row = np.concatenate([columns[0], gap, columns[1], gap, columns[2]], axis=1)
    legend = draw_legend(legend_entries([truth, prediction], classes, palette), row.shape[1], size)
    return np.concatenate([row, legend])


def write_png(picture: ndarray, path: str | os.PathLike) -> None:
    """Writes a picture as PNG, whole or not at all.

    Args:
        picture: (H, W, 3) uint8, RGB.
        path: the file; its folder is made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(path) as file:
        Image.fromarray(picture).save(file, format="PNG", compress_level=3)


def enlargement(shape: tuple[int, int]) -> int:
    """How many times to enlarge a picture (H, W): whole numbers keep the labels' pixels square."""
    return -(-MIN_SIDE // max(shape)) if max(shape) <= MIN_SIDE // 2 else 1


def enlarge(picture: ndarray, times: int) -> ndarray:
    """Repeats every pixel ``times`` x ``times``."""
    height, width = picture.shape[:2]
    if times == 1:
        return picture
    return cv2.resize(picture, (width * times, height * times), interpolation=cv2.INTER_NEAREST)


def centred(picture: ndarray, width: int) -> ndarray:
    """The picture on white paper of at least ``width`` pixels."""
    spare = max(width - picture.shape[1], 0)
    if spare == 0:
        return picture
    return np.pad(picture, ((0, 0), (spare // 2, spare - spare // 2), (0, 0)), constant_values=PAPER[0])
