"""What may be given to the inferencer: image files, folders of them, arrays; and the names of what is written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from mmmaskformer.engine.output_names import distinct_names
from mmmaskformer.errors import UserError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
ImageSource = str | os.PathLike | np.ndarray


def list_images(
    inputs: ImageSource | Iterable[ImageSource], leave_out: str | os.PathLike | None = None
) -> list[Path | np.ndarray]:
    """Resolves folders to the images in them and checks that everything is there.

    Args:
        inputs: a file, a folder (searched with its subfolders), an array (H, W, 3), or a sequence of these.
        leave_out: the folder of results, which is not searched: a second run would find the pictures of the first.

    Returns:
        Files and arrays in the order given, one for each that was given, so that results can be paired with them. A
        folder stands for its files, sorted by path; one that is in it twice, by a link, is there once.

    Raises:
        UserError: a path does not exist, a folder has no image or is the one of results, nothing was given, or an array
            is no image.
    """
    if isinstance(inputs, str | os.PathLike) or (isinstance(inputs, np.ndarray) and inputs.ndim < 4):
        inputs = [inputs]
    left_out = None if leave_out is None else Path(leave_out).resolve()
    images = [image for item in inputs for image in _expand(item, left_out)]
    if not images:
        raise UserError("no images given")
    return images


def without_repeats(images: Iterable[Path | np.ndarray]) -> list[Path | np.ndarray]:
    """The images without files that have come before, under the same or another name."""
    kept, seen = [], set()
    for image in images:
        real = os.path.realpath(image) if isinstance(image, Path) else None
        if real is None or real not in seen:
            kept.append(image)
            seen.add(real)
    return kept


def _expand(item: ImageSource, leave_out: Path | None) -> list[Path | np.ndarray]:
    if isinstance(item, np.ndarray):
        if item.ndim != 3 or item.shape[2] != 3 or item.dtype != np.uint8 or not item.size:
            raise UserError(f"an image array must be (H, W, 3) uint8, BGR; got shape {item.shape}, {item.dtype}")
        return [item]
    if not isinstance(item, str | os.PathLike):
        raise UserError(f"an image must be a path or an array, got {type(item).__name__}")
    path = Path(item).expanduser()
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        if leave_out == path.resolve():
            raise UserError(
                f"folder {path} is searched for images and cannot take the results: a second run would take "
                "pictures of the first for images; choose another folder for results"
            )
        if leave_out is not None and leave_out.is_relative_to(path.resolve()):
            found = [p for p in found if not p.resolve().is_relative_to(leave_out)]
        if not found:
            raise UserError(f"folder {path} holds no image ({' '.join(sorted(SUFFIXES))})")
        return without_repeats(found)
    if not path.is_file():
        raise UserError(f"image {path} does not exist")
    return [path]


def check_decodable(path: Path) -> None:
    """Refuses an image whose file is cut short, which OpenCV would fill up with gray and go on.

    Raises:
        UserError: naming the file.
    """
    try:
        with Image.open(path) as image:
            # A JPEG is then decoded at an eighth of its size; its whole file is read all the same.
            image.draft(image.mode, (max(1, image.width // 8), max(1, image.height // 8)))
            image.load()
    except (UnidentifiedImageError, Image.DecompressionBombError):
        pass  # formats and sizes that Pillow does not take may still be the loading transform's
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"image {path} cannot be decoded ({error}); is the file whole?") from error


def output_names(images: Sequence[Path | np.ndarray]) -> list[str]:
    """A name for what is written about each image. No two images have the same; a file that comes again keeps its name.

    Args:
        images: files and arrays.

    Returns:
        The stem of a file; where two files have the same, as many of their folders' names as tell them apart go in
        front, or the suffix behind. Arrays are numbered.
    """
    keys = [os.path.abspath(image) if isinstance(image, Path) else str(index) for index, image in enumerate(images)]
    stems = [image.stem if isinstance(image, Path) else f"array_{index:06d}" for index, image in enumerate(images)]
    names = distinct_names(dict(zip(keys, stems)), separator="_")
    return [names[key] for key in keys]


def check_outputs(images: Sequence[Path | np.ndarray], outputs: Iterable[Path]) -> None:
    """Refuses to write results over images that are read.

    Args:
        images: files and arrays.
        outputs: the files to write.

    Raises:
        UserError: with the first file that is both.
    """
    sources = {image.resolve() for image in images if isinstance(image, Path)}
    for path in outputs:
        if path.resolve() in sources:
            raise UserError(f"{path} is one of the images and would be written over: choose another folder for results")
