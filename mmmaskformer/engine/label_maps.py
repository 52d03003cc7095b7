"""Writing predicted label maps during a test run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.hooks import Hook
from mmengine.structures import PixelData

from mmmaskformer.files import atomic_open
from mmmaskformer.registry import HOOKS


@HOOKS.register_module()
class LabelMapWriterHook(Hook):
    """Writes each test image's label map as a PNG, in the data set's own numbers.

    The file keeps the image's path below the data set's image folder. Labels are those of the annotation files: with
    ``reduce_zero_label`` class 0 is written as 1. Data sets of more than 256 labels get 16-bit files.

    Args:
        out_dir: Folder to write to.
    """

    def __init__(self, out_dir: str) -> None:
        self.out_dir = Path(out_dir)

    def before_test(self, runner: Any) -> None:
        """Remembers where the images lie and how large labels get."""
        dataset = runner.test_dataloader.dataset
        self.image_dir = image_folder(dataset)
        self.offset = int(bool(getattr(dataset, "reduce_zero_label", False)))
        labels = len(dataset.metainfo["classes"]) + self.offset
        self.dtype = np.uint8 if labels <= 256 else np.uint16

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any, outputs: Sequence[Any]) -> None:
        """Writes one batch."""
        for sample in outputs:
            labels = label_map(sample.pred_sem_seg) + self.offset
            write_label_map(labels.astype(self.dtype), png_path(self.out_dir, sample.img_path, self.image_dir))


def label_map(semantic: PixelData) -> np.ndarray:
    """(H, W) labels of a data sample's semantic map, which mmseg calls ``data`` and mmdet ``sem_seg``."""
    return (semantic.sem_seg if "sem_seg" in semantic else semantic.data).squeeze(0).cpu().numpy()


def image_folder(dataset: Any) -> str:
    """The folder of a data set's images, by mmseg's name or mmdet's; empty where it has none."""
    prefix = getattr(dataset, "data_prefix", None) or {}
    return prefix.get("img_path") or prefix.get("img") or ""


def png_path(out_dir: Path, image: str, image_dir: str) -> Path:
    """Where to write about an image: its path below the data set's image folder, below ``out_dir``."""
    below = os.path.relpath(image, image_dir) if image_dir else os.path.basename(image)
    if below.startswith(os.pardir):
        below = os.path.basename(image)
    return (out_dir / below).with_suffix(".png")


def write_label_map(labels: np.ndarray, path: str | os.PathLike) -> None:
    """Writes a label map as a grey PNG, whole or not at all.

    Args:
        labels: (H, W), uint8 or uint16.
        path: The file; its folder is made.
    """
    if labels.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"a label map must be uint8 or uint16 to be written as PNG, got {labels.dtype}")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _, encoded = cv2.imencode(".png", labels)
    with atomic_open(path) as file:
        file.write(encoded.tobytes())
