"""What may be given to the inferencer: files, folders, addresses, arrays; and the names of what is written."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from numpy import ndarray
from PIL import Image
from torch import Tensor

from mmmaskformer.apis.arrays import check_channel_order, decoded, pixels_of
from mmmaskformer.apis.web_images import fetch_image, is_url, name_in
from mmmaskformer.engine.output_names import distinct_names
from mmmaskformer.errors import UserError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
LONGEST_NAME = 200  # bytes, so that endings fit into the 255 of file systems
KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@dataclass(frozen=True, eq=False)
class ImageInMemory:
    """An image that is no file.

    Attributes:
        pixels: (H, W, C), colors in the order blue, green, red.
        stem: what it is called in the names of files.
    """

    pixels: ndarray
    stem: str


ImageSource = str | os.PathLike | bytes | ndarray | Tensor | Image.Image | ImageInMemory
ListedImage = Path | ImageInMemory


def list_images(
    inputs: ImageSource | Iterable[ImageSource],
    leave_out: str | os.PathLike | None = None,
    channel_order: str = "bgr",
    color_type: str = "color",
    numbers: Iterator[int] | None = None,
) -> list[ListedImage]:
    """Resolve folders, patterns and addresses to images, and check that everything is there.

    Args:
        inputs: a file, a folder (searched with its subfolders), a pattern such as ``"photos/*.jpg"``, an address (http
            or https), the content of a file as bytes, an array (H, W) or (H, W, C), a tensor (C, H, W), Pillow's image,
            or a sequence of these; an array (B, H, W, C) or a tensor (B, C, H, W) is one, too.
        leave_out: the folder of results, which is not searched: a second run would find the pictures of the first.
        channel_order: "bgr" or "rgb", of arrays and tensors.
        color_type: how bytes are decoded, in the words of MMCV's ``LoadImageFromFile``.
        numbers: of images without a name; from 0 by default.

    Returns:
        One image for each that was given, in order, so that results can be paired with them. A folder or a pattern
        stands for its files, sorted by path; one that is in it twice, by a link, is there once.

    Raises:
        UserError: something does not exist, cannot be fetched or decoded, or is no image; a folder has no image or is
            the one of results; or nothing was given.
    """
    check_channel_order(channel_order)
    if is_one(inputs):
        inputs = [inputs]
    elif not isinstance(inputs, Iterable):
        raise UserError(_no_image(inputs))
    left_out = None if leave_out is None else Path(leave_out).resolve()
    numbers = count() if numbers is None else numbers
    images: list[ListedImage] = []
    for item in inputs:
        if isinstance(item, ImageInMemory):
            images.append(item)
        elif isinstance(item, str) and is_url(item):
            name = name_in(item) or f"url_{next(numbers):06d}"
            images.append(ImageInMemory(decoded(fetch_image(item), item, color_type), name))
        elif isinstance(item, str | os.PathLike):
            images += _files(item, left_out)
        elif isinstance(item, bytes | bytearray | memoryview):
            name = f"bytes_{next(numbers):06d}"
            images.append(ImageInMemory(decoded(bytes(item), name, color_type), name))
        elif isinstance(item, ndarray | Tensor | Image.Image):
            images.append(ImageInMemory(pixels_of(item, channel_order), f"array_{next(numbers):06d}"))
        else:
            raise UserError(_no_image(item))
    if not images:
        raise UserError("no images given")
    return images


def is_one(inputs: Any) -> bool:
    """Whether what was given is one item, and no sequence."""
    if isinstance(inputs, ndarray | Tensor):
        return inputs.ndim < 4
    return isinstance(inputs, str | os.PathLike | bytes | bytearray | memoryview | Image.Image | ImageInMemory)


def is_one_image(inputs: Any) -> bool:
    """Whether what was given is one image: not a folder, not a pattern, no sequence."""
    if not isinstance(inputs, str | os.PathLike):
        return is_one(inputs)
    return is_url(str(inputs)) or not (os.path.isdir(Path(inputs).expanduser()) or _is_pattern(inputs))


def without_repeats(images: Iterable[ListedImage]) -> list[ListedImage]:
    """Return the images without files that have come before, under the same or another name."""
    kept, seen = [], set()
    for image in images:
        real = os.path.realpath(image) if isinstance(image, Path) else None
        if real is None or real not in seen:
            kept.append(image)
            seen.add(real)
    return kept


def _files(item: str | os.PathLike, leave_out: Path | None) -> list[Path]:
    if not os.fspath(item):
        raise UserError("an image's path is empty")
    path = Path(item).expanduser()
    if os.path.isdir(path):  # no error where a name is too long
        # A link that leads nowhere stays in the list, and is an error when it is read.
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        found = [p for p in found if not p.is_dir()]
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
    if _is_pattern(item):
        found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        found = [p for p in found if p.suffix.lower() in SUFFIXES and not p.is_dir()]
        if not found:
            raise UserError(f"no image matches {item} ({' '.join(sorted(SUFFIXES))})")
        return without_repeats(found)
    check_is_file(path)
    return [path]


def check_is_file(path: Path) -> None:
    """Refuse a path that is no file, without opening it: reading a named pipe would never end.

    Raises:
        UserError: with the path and what is there.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        if path.is_symlink():
            raise UserError(f"image {path} is a link to {os.readlink(path)}, which does not exist") from error
        raise UserError(f"image {path} does not exist") from error
    except (OSError, ValueError) as error:  # a name that is too long, a null byte, a loop of links, no permission
        raise UserError(f"image {path} cannot be read: {error}") from error
    if not stat.S_ISREG(mode):
        raise UserError(f"image {path} is {KINDS.get(stat.S_IFMT(mode), 'no file')}, expected an image file")


def _is_pattern(item: str | os.PathLike) -> bool:
    return glob.has_magic(os.fspath(item)) and not os.path.lexists(Path(item).expanduser())


def _no_image(item: Any) -> str:
    return (
        f"an image must be a path, an address, bytes, an array, a tensor or Pillow's image, got {item!r:.60} of type "
        f"{type(item).__name__}"
    )


def output_names(images: Sequence[ListedImage]) -> list[str]:
    """Return a name for what is written about each image, which no other image has.

    Args:
        images: as :func:`list_images` gives them.

    Returns:
        The stem of a file. If two files have the same stem, the names of as many of their folders as they differ in are
        put in front, or the suffix behind. A file that comes again keeps its name. A long name is cut.
    """
    keys = [os.path.abspath(image) if isinstance(image, Path) else str(id(image)) for image in images]
    names = distinct_names({key: image.stem for key, image in zip(keys, images)}, separator="_")
    return [_cut(names[key]) for key in keys]


def _cut(name: str) -> str:
    """Return a name that leaves room for endings; two that differ stay apart."""
    encoded = os.fsencode(name)
    if len(encoded) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:8]
    return f"{encoded[: LONGEST_NAME - 9].decode(errors='ignore')}_{digest}"


def check_outputs(images: Sequence[ListedImage], outputs: Iterable[Path]) -> None:
    """Refuse to write results over images that are read.

    Args:
        images: as :func:`list_images` gives them.
        outputs: the files to write.

    Raises:
        UserError: with the first file that is both.
    """
    sources = {image.resolve() for image in images if isinstance(image, Path)}
    for path in outputs:
        if path.resolve() in sources:
            raise UserError(f"{path} is one of the images and would be written over: choose another folder for results")
