"""Whole pictures for people to look at: enlarged where small, with legible text whatever the size."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import mmcv
import numpy as np
from mmengine import fileio
from numpy import ndarray
from PIL import Image

from mmmaskformer.files import atomic_open

from .legend import PAPER, LegendEntry, draw_legend, draw_title

MIN_SIDE = 384  # the longer one of a panel, in pixels: below it names of classes do not fit
MIN_TEXT = 13
GALLERY_TEXT = 15
# Of the longer side: what stays legible once a large picture is shown whole on a screen.
TEXT_SHARE_OF_PANELS = 1 / 80


def with_legend(picture: ndarray, entries: Sequence[LegendEntry], text_share: float) -> ndarray:
    """Return a picture and a legend below it.

    Args:
        picture: (H, W, 3) uint8, RGB.
        entries: of the legend.
        text_share: height of the legend's letters as a share of the picture's longer side.

    Returns:
        (H', W', 3) uint8, RGB.
    """
    size = max(MIN_TEXT, round(max(picture.shape) * text_share))
    width = max(picture.shape[1], MIN_SIDE)
    return np.concatenate([centered(picture, width), draw_legend(entries, width, size)])


def side_by_side(panels: Sequence[ndarray], titles: Sequence[str], entries: Sequence[LegendEntry]) -> ndarray:
    """Pictures of one size under titles, with one legend for all.

    Args:
        panels: (H, W, 3) uint8, RGB.
        titles: one for each.
        entries: of the legend.

    Returns:
        (H', W', 3) uint8, RGB.
    """
    height, width = panels[0].shape[:2]
    width = max(width, MIN_SIDE)
    size = max(MIN_TEXT, round(max(height, len(panels) * width) * TEXT_SHARE_OF_PANELS))
    row: list[ndarray] = []
    for title, panel in zip(titles, panels):
        column = np.concatenate([draw_title(title, width, size), centered(panel, width)])
        gap = np.full((len(column), size // 2, 3), PAPER, np.uint8)
        row += [gap, column] if row else [column]
    picture = np.concatenate(row, axis=1)
    return np.concatenate([picture, draw_legend(entries, picture.shape[1], size)])


def gallery(panels: Sequence[tuple[str, ndarray]], columns: int, width: int) -> ndarray:
    """Titled pictures of any shapes in full lines: as many in each as evenly as can be, those of a line equally high.

    Args:
        panels: title and picture (H, W, 3) uint8, RGB.
        columns: most panels of a line.
        width: of a panel in a line of ``columns``.

    Returns:
        (H', W', 3) uint8, RGB.
    """
    count, total = len(panels), min(columns, len(panels)) * width
    lines, parts = -(-count // columns), []
    for number in range(lines):
        line = panels[number * count // lines : (number + 1) * count // lines]
        aspects = np.cumsum([0, *(panel.shape[1] / panel.shape[0] for _, panel in line)])
        edges, height = np.rint(total * aspects / aspects[-1]).astype(int), max(1, round(total / aspects[-1]))
        row = []
        for (title, panel), left, right in zip(line, edges, edges[1:]):
            small = cv2.resize(panel, (int(right - left), height), interpolation=cv2.INTER_AREA)
            row.append(np.concatenate([draw_title(title, int(right - left), GALLERY_TEXT), small]))
        parts.append(np.concatenate(row, axis=1))
    return np.concatenate(parts)


def check_size(name: str, labels: ndarray, image: ndarray) -> None:
    """Refuses a map (H, W) that is not of its image's size (H, W, 3)."""
    if labels.shape != image.shape[:2]:
        raise ValueError(f"the {name} is {labels.shape} but the image is {image.shape[:2]}: (H, W) must agree")


def read_picture(path: str | os.PathLike, color_type: str = "color", backend_args: Mapping | None = None) -> ndarray:
    """Read an image file as a model sees it.

    Args:
        path: the file, which may be behind one of MMEngine's storage backends.
        color_type: of the transform that loads it for the model; decides on whether the photo's EXIF orientation
            turns it.
        backend_args: of the storage backend.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    flag = "color" if color_type in ("color", "grayscale") else "color_ignore_orientation"
    # MMCV changes the order of channels for "color" alone.
    return np.ascontiguousarray(mmcv.imfrombytes(fileio.get(path, backend_args), flag=flag)[..., ::-1])


def write_png(picture: ndarray, path: str | os.PathLike) -> None:
    """Write a picture as PNG, whole or not at all.

    Args:
        picture: (H, W, 3) uint8, RGB.
        path: the file; its folder is made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(path) as file:
        Image.fromarray(picture).save(file, format="PNG", compress_level=3)


def enlargement(shape: tuple[int, int], least: int) -> int:
    """How many times to enlarge a picture (H, W) whose longer side should have about ``least`` pixels or more.

    Whole numbers keep the labels' pixels square, so that a side of more than half of ``least`` stays as it is.
    """
    return -(-least // max(shape)) if max(shape) <= least // 2 else 1


def enlarge(image: ndarray, times: int) -> ndarray:
    """Return a photo (H, W, 3) enlarged smoothly."""
    height, width = image.shape[:2]
    if times == 1:
        return image
    return cv2.resize(image, (width * times, height * times), interpolation=cv2.INTER_CUBIC)


def repeat(labels: ndarray, times: int) -> ndarray:
    """Return a map (H, W) with each pixel ``times`` x ``times``."""
    return labels if times == 1 else labels.repeat(times, 0).repeat(times, 1)


def centered(picture: ndarray, width: int) -> ndarray:
    """Return the picture on white paper of at least ``width`` pixels."""
    spare = max(width - picture.shape[1], 0)
    if spare == 0:
        return picture
    return np.pad(picture, ((0, 0), (spare // 2, spare - spare // 2), (0, 0)), constant_values=PAPER[0])
