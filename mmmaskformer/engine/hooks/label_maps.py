"""Writing predicted label maps during a test run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.hooks import Hook
from numpy import ndarray

from mmmaskformer.engine.output_names import OutputNames, innermost_datasets
from mmmaskformer.files import atomic_open
from mmmaskformer.labels import DEFAULT_VOID, WIDE_VOID
from mmmaskformer.registry import HOOKS
from mmmaskformer.sample_results import label_map

# What evaluation servers call the classes of these data sets, in the order of mmseg's class names.
SERVER_LABELS = {
    # cityscapesScripts: label ids; label files for training have train ids 0 to 18
    "CityscapesDataset": (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33),
    "LoveDADataset": tuple(range(7)),  # label files have 1 to 7
}
SERVER_VOID = {"CityscapesDataset": 0}


@HOOKS.register_module()
class LabelMapWriterHook(Hook):
    """Write each test image's label map as a PNG, in the numbers that the data set's evaluation server wants.

    The file keeps the image's path below its data set's image folder; see :class:`OutputNames`. Numbers are those of
    :data:`SERVER_LABELS` for these data sets and those derived from them. For others they are those of the annotation
    files: with ``reduce_zero_label`` class 0 is written as 1, and void as 0. Numbers above 255 get 16-bit files. In a
    test run over several data sets, each image gets the numbers of its own.

    Args:
        out_dir: folder to write to.
    """

    def __init__(self, out_dir: str) -> None:
        self.out_dir = Path(out_dir)

    def before_test(self, runner: Any) -> None:
        """Decide on names, and on the number of each class."""
        dataset = runner.test_dataloader.dataset
        self.names = OutputNames(dataset)
        parts = list(innermost_datasets(dataset))
        tables = [file_labels(part) for part in parts]
        self.table = tables[0]
        self.table_of: dict[str, ndarray] = {}
        if any(not np.array_equal(table, self.table) for table in tables):
            for part, table in zip(parts, tables):
                self.table_of |= {part.get_data_info(index)["img_path"]: table for index in range(len(part))}

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any, outputs: Sequence[Any]) -> None:
        """Write one batch."""
        for sample in outputs:
            table = self.table_of.get(sample.img_path, self.table)
            labels = label_map(sample.pred_sem_seg)
            # The last entry is that of void, whatever number the model has for it.
            labels = table[np.where((labels < 0) | (labels >= len(table)), len(table) - 1, labels)]
            write_label_map(labels, self.names.path(self.out_dir, sample.img_path, ".png"))


def file_labels(dataset: Any) -> ndarray:
    """Return the number of each class in files for a data set's server, and that of void behind them, (K + 1,).

    Args:
        dataset: of mmseg or mmdet, not wrapped.

    Returns:
        uint8, or uint16 where a number is above 255.
    """
    classes = list(dataset.metainfo["classes"])
    kind = next((base.__name__ for base in type(dataset).__mro__ if base.__name__ in SERVER_LABELS), None)
    named = list(type(dataset).METAINFO["classes"]) if kind else []
    if kind and set(classes) <= set(named):
        numbers = [SERVER_LABELS[kind][named.index(name)] for name in classes]
        void = SERVER_VOID.get(kind)
    else:
        first = int(bool(getattr(dataset, "reduce_zero_label", False)))
        numbers, void = [*range(first, first + len(classes))], 0 if first else None
    wide = max(numbers) > 255
    if void is None:
        void = WIDE_VOID if wide else DEFAULT_VOID
    return np.array([*numbers, void], np.uint16 if wide else np.uint8)


def write_label_map(labels: np.ndarray, path: str | os.PathLike) -> None:
    """Write a label map as a gray PNG, whole or not at all.

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
