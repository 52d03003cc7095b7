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
from torch import Tensor

from mmmaskformer.engine.output_names import OutputNames, innermost_datasets
from mmmaskformer.errors import UserError
from mmmaskformer.files import atomic_open
from mmmaskformer.registry import HOOKS


@HOOKS.register_module()
class LabelMapWriterHook(Hook):
    """Writes each test image's label map as a PNG, in the data set's own numbers.

    The file keeps the image's path below its data set's image folder; see :class:`OutputNames`. Labels are those of the
    annotation files: with ``reduce_zero_label`` class 0 is written as 1. Data sets of more than 256 labels get 16-bit
    files. A test run over several data sets writes each image in the numbers of its own.

    Args:
        out_dir: Folder to write to.
    """

    def __init__(self, out_dir: str) -> None:
        self.out_dir = Path(out_dir)

    def before_test(self, runner: Any) -> None:
        """Decides on names, and remembers how many classes there are and where they begin."""
        dataset = runner.test_dataloader.dataset
        self.names = OutputNames(dataset)
        self.num_classes = len(dataset.metainfo["classes"])
        self.reduces_zero_label = {
            bool(getattr(part, "reduce_zero_label", False)) for part in innermost_datasets(dataset)
        }

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any, outputs: Sequence[Any]) -> None:
        """Writes one batch.

        Raises:
            UserError: ``reduce_zero_label`` differs between the data sets, and a sample does not say which it has.
        """
        for sample in outputs:
            offset = int(self._reduces_zero_label(sample))
            dtype = np.uint8 if self.num_classes + offset <= 256 else np.uint16
            labels = label_map(sample.pred_sem_seg) + offset
            write_label_map(labels.astype(dtype), self.names.path(self.out_dir, sample.img_path, ".png"))

    def _reduces_zero_label(self, sample: Any) -> bool:
        own = sample.get("reduce_zero_label")
        if own is not None:
            return bool(own)
        if len(self.reduces_zero_label) > 1:
            raise UserError(
                f"{sample.img_path}: reduce_zero_label differs between the test data sets, and the sample does not say "
                "which it has: add 'reduce_zero_label' to meta_keys of PackSegInputs"
            )
        return next(iter(self.reduces_zero_label))


def label_data(semantic: PixelData) -> Tensor:
    """(1, H, W) labels of a data sample's semantic map, which mmseg calls ``data`` and mmdet ``sem_seg``."""
    return semantic.sem_seg if "sem_seg" in semantic else semantic.data


def label_map(semantic: PixelData) -> np.ndarray:
    """(H, W) labels of a data sample's semantic map, as an array."""
    return label_data(semantic).squeeze(0).cpu().numpy()


def write_label_map(labels: np.ndarray, path: str | os.PathLike) -> None:
    """Writes a label map as a gray PNG, whole or not at all.

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
