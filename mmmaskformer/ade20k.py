"""The order of ADE20K's 150 classes in panoptic models.

The release keeps the data set's own order, in which things and stuff alternate; mmdet wants the things first.
"""

from __future__ import annotations

NUM_CLASSES, NUM_THINGS = 150, 100
# The places of the 50 stuff classes in ADE20K's order; things and stuff each keep their order among themselves.
STUFF = (
    0, 1, 2, 3, 4, 5, 6, 9, 11, 13, 16, 17, 21, 25, 26, 28, 29, 34, 40, 46, 48, 51, 52, 54, 59, 60, 61, 63, 68, 77, 79,
    84, 91, 94, 96, 99, 100, 101, 105, 106, 109, 113, 114, 117, 122, 128, 131, 140, 141, 145,
)  # fmt: skip
# The class of ADE20K that stands at each place of mmdet's.
THINGS_FIRST = (*(label for label in range(NUM_CLASSES) if label not in STUFF), *STUFF)
