"""ADE20K-Full: the 847 classes of ADE20K's open vocabulary that occur in both its training and validation images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmmaskformer.datasets.checked_semantic import CheckedSegDataset
from mmmaskformer.registry import DATASETS

VOID = 65535


def read_classes() -> tuple[list[int], list[str]]:
    """Each class's number in the raw release and its name, in the order of training labels."""
    lines = Path(__file__).with_name("ade20k_full_classes.txt").read_text(encoding="utf-8").splitlines()
    raw, names = zip(*(line.split(" ", 1) for line in lines))
    return [int(number) for number in raw], list(names)


RAW_NUMBERS, CLASSES = read_classes()


def training_labels(colors: np.ndarray) -> np.ndarray:
    """Training labels of a ``*_seg.png`` of the raw release, which says a pixel's class with its red and green.

    Args:
        colors: (H, W, 3) uint8, RGB; the class is ``R // 10 * 256 + G``.

    Returns:
        (H, W) uint16: 0..846, or 65535 where there is no object or its class is none of the 847.
    """
    table = np.full(256 // 10 * 256 + 256, VOID, dtype=np.uint16)
    table[RAW_NUMBERS] = np.arange(len(RAW_NUMBERS))
    return table[colors[..., 0].astype(np.int64) // 10 * 256 + colors[..., 1]]


@DATASETS.register_module()
class ADE20KFullDataset(CheckedSegDataset):
    """16-bit label maps of 847 classes, as ``tools/dataset_converters/ade20k_full.py`` writes them; 65535 is void.

    255 is a class here, so every part with a void label must have 65535 (the config sets it), and labels must be
    read by ``LoadWideAnnotations``.

    Args:
        img_suffix: ending of the images' names.
        seg_map_suffix: ending of the label maps' names.
        ignore_index: void label.
        **kwargs: as for ``mmseg.datasets.BaseSegDataset``.
    """

    METAINFO = {"classes": tuple(CLASSES)}
    MAKE_COMMAND = "python tools/dataset_converters/ade20k_full.py ADE20K_2021_17_01 --out data/ade20k_full"

    def __init__(
        self, img_suffix: str = ".jpg", seg_map_suffix: str = ".png", ignore_index: int = VOID, **kwargs
    ) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, ignore_index=ignore_index, **kwargs)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int] | None:
        """Old to new labels where a subset of the classes is asked for; the stock map would make the others 255."""
        label_map = super().get_label_map(new_classes)
        if label_map is None:
            return None
        return {old: label if CLASSES[old] in new_classes else VOID for old, label in label_map.items()}
