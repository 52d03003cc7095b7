"""ADE20K's 150 classes in panoptic models: the release keeps the data set's order, mmdet wants the things first."""

from __future__ import annotations

from torch import Tensor

from .keymap import Reorder

NUM_CLASSES, NUM_THINGS = 150, 100
# The places of the 50 stuff classes in ADE20K's order; things and stuff each keep their order among themselves.
STUFF = (
    0, 1, 2, 3, 4, 5, 6, 9, 11, 13, 16, 17, 21, 25, 26, 28, 29, 34, 40, 46, 48, 51, 52, 54, 59, 60, 61, 63, 68, 77, 79,
    84, 91, 94, 96, 99, 100, 101, 105, 106, 109, 113, 114, 117, 122, 128, 131, 140, 141, 145,
)  # fmt: skip
# The class of ADE20K that stands at each place of ours.
THINGS_FIRST = [label for label in range(NUM_CLASSES) if label not in STUFF] + list(STUFF)
ADE20K_ORDER = [THINGS_FIRST.index(label) for label in range(NUM_CLASSES)]


def _things_first(value: Tensor) -> Tensor:
    return value[[*THINGS_FIRST, NUM_CLASSES]]  # "no object" stays the last


def _ade20k_order(value: Tensor) -> Tensor:
    return value[[*ADE20K_ORDER, NUM_CLASSES]]


CLASS_ORDER = Reorder("ADE20K's classes, things first", _things_first, _ade20k_order)
