"""ADE20K's 150 classes in the release's panoptic models <-> mmdet's order, which we keep."""

from __future__ import annotations

from torch import Tensor

from mmmaskformer.ade20k import NUM_CLASSES, THINGS_FIRST

from .keymap import Reorder

ADE20K_ORDER = [THINGS_FIRST.index(label) for label in range(NUM_CLASSES)]


def _things_first(value: Tensor) -> Tensor:
    return value[[*THINGS_FIRST, NUM_CLASSES]]  # "no object" stays the last


def _ade20k_order(value: Tensor) -> Tensor:
    return value[[*ADE20K_ORDER, NUM_CLASSES]]


CLASS_ORDER = Reorder("ADE20K's classes, things first", _things_first, _ade20k_order)
