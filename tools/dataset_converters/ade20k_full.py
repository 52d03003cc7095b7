"""Makes ADE20K-Full of the raw release: ``python tools/dataset_converters/ade20k_full.py ADE20K_2021_17_01``.

Reads every ``*_seg.png`` beside its ``.jpg`` in a folder below ``training`` or ``validation``, and writes
``images/SPLIT/NAME.jpg`` and ``annotations/SPLIT/NAME.png``: 16 bits, 0..846, 65535 for void. Images whose short side
exceeds 512 pixels are shrunk to that, labels to the nearest pixel. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mmmaskformer.datasets.ade20k_full import training_labels
from mmmaskformer.datasets.progress import with_progress
from mmmaskformer.engine.hooks.label_maps import write_label_map
from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.files import atomic_open

SPLITS = ("training", "validation")
SUFFIX = "_seg.png"
SHORT_SIDE = 512


class Pair(NamedTuple):
    """An image and its labels in the raw release."""

    split: str
    image: Path
    labels: Path


def find_pairs(source: Path) -> list[Pair]:
    """All pairs below a folder, by name.

    Raises:
        UserError: there are none, one lacks its image, or two have one name.
    """
    pairs: dict[tuple[str, str], Pair] = {}
    for labels in sorted(source.rglob(f"*{SUFFIX}")):
        split = next((part for part in labels.relative_to(source).parts if part in SPLITS), None)
        if split is None:
            continue
        image = labels.with_name(labels.name.removesuffix(SUFFIX) + ".jpg")
        if not image.is_file():
            raise UserError(f"{labels} has no image {image}")
        other = pairs.setdefault((split, image.name), Pair(split, image, labels))
        if other.labels != labels:
            raise UserError(f"two images of one name, {other.image} and {image}: is {source} one release?")
    if not pairs:
        raise UserError(
            f"{source}: no *{SUFFIX} below a folder named training or validation; give the unpacked release, for "
            "instance ADE20K_2021_17_01"
        )
    return [pairs[key] for key in sorted(pairs)]


def shrunk_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) with a short side of at most 512."""
    scale = min(1.0, SHORT_SIDE / min(height, width))
    return round(height * scale), round(width * scale)


def convert_labels(colors: np.ndarray) -> np.ndarray:
    """(H, W, 3) RGB of the release -> (h, w) uint16 training labels, of the nearest pixels where it is shrunk."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64)
        for old, new in zip(colors.shape[:2], shrunk_size(*colors.shape[:2]))
    )
    return training_labels(colors[rows[:, None], columns])


def convert_pair(pair: Pair, out: Path) -> None:
    """Write an image and its labels.

    Raises:
        UserError: a file cannot be decoded, is not what it should be, or the two differ in size.
    """
    image_out = out / "images" / pair.split / pair.image.name
    labels_out = out / "annotations" / pair.split / f"{pair.image.stem}.png"
    if image_out.is_file() and labels_out.is_file():
        return
    try:
        with Image.open(pair.labels) as file:
            mode, colors = file.mode, np.asarray(file)
        with Image.open(pair.image) as file:
            image = file.convert("RGB")
    except Exception as error:
        raise UserError(f"{pair.image} and {pair.labels}: no readable pair of images ({error})") from error
    if mode != "RGB":
        raise UserError(f"{pair.labels} is an image of mode {mode}; expected RGB, with the class in red and green")
    height, width = colors.shape[:2]
    if (width, height) != image.size:
        raise UserError(f"{pair.image} is {image.size} but {pair.labels} is {(width, height)} (width, height)")
    write_label_map(convert_labels(colors), labels_out)
    image_out.parent.mkdir(parents=True, exist_ok=True)
    size = shrunk_size(height, width)
    with atomic_open(image_out) as file:
        if size == (height, width):
            with open(pair.image, "rb") as original:
                shutil.copyfileobj(original, file)
        else:
            shrunk = image.resize(size[::-1], Image.Resampling.BILINEAR)
            shrunk.save(file, format="JPEG", quality=95, subsampling=0)


def convert_all(pairs: list[Pair], out: Path, workers: int) -> Iterator[None]:
    """Convert with as many processes, one step a pair."""
    convert = partial(convert_pair, out=out)
    if workers == 1:
        yield from map(convert, pairs)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(convert, pairs, chunksize=8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="the unpacked release")
    parser.add_argument("--out", type=Path, default=Path("data/ade20k_full"), help="folder to write (%(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: all cores)")
    args = parser.parse_args()
    if args.workers < 1:
        parser.error("--workers must be at least 1")
    pairs = find_pairs(args.source)
    for _ in with_progress(convert_all(pairs, args.out, args.workers), "ADE20K-Full", total=len(pairs)):
        pass
    counts = Counter(pair.split for pair in pairs)
    print(", ".join(f"{split}: {counts[split]}" for split in SPLITS if counts[split]))


if __name__ == "__main__":
    with one_line_errors():
        main()
