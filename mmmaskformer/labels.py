"""What class names and void labels must be, wherever they are given, and the order of ADE20K's classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmmaskformer.errors import UserError

CLASS_LISTS = ("classes", "thing_classes", "stuff_classes")
DEFAULT_VOID = 255  # of mmseg and mmdet, wherever nothing else is said
WIDE_VOID = 65535  # the same for 16-bit label maps

# Panoptic models of the release keep ADE20K's own order, in which things and stuff alternate; mmdet wants things first.
ADE20K_CLASSES, ADE20K_THINGS = 150, 100
# The places of the 50 stuff classes in ADE20K's order; things and stuff each keep their order among themselves.
ADE20K_STUFF = (
    0, 1, 2, 3, 4, 5, 6, 9, 11, 13, 16, 17, 21, 25, 26, 28, 29, 34, 40, 46, 48, 51, 52, 54, 59, 60, 61, 63, 68, 77, 79,
    84, 91, 94, 96, 99, 100, 101, 105, 106, 109, 113, 114, 117, 122, 128, 131, 140, 141, 145,
)  # fmt: skip
# The class of ADE20K that stands at each place of mmdet's.
ADE20K_THINGS_FIRST = (*(label for label in range(ADE20K_CLASSES) if label not in ADE20K_STUFF), *ADE20K_STUFF)


def check_class_names(owner: str, metainfo: Mapping[str, Any]) -> None:
    """Refuse a string where a list of class names must be: Python takes it for a list of letters.

    Args:
        owner: what has the metainfo, for the message.
        metainfo: of a data set.

    Raises:
        UserError: a list of classes is a string.
    """
    for key in CLASS_LISTS:
        names = metainfo.get(key)
        if isinstance(names, str):
            raise UserError(
                f"{owner}: metainfo.{key} is the string {names!r} and not a list, so it would be {len(names)} classes "
                f"of one letter each: write {key}=({names!r},) with a comma"
            )


def check_ignore_index(owner: str, ignore_index: int, num_classes: int) -> None:
    """Refuse a void label that is a class, too.

    Args:
        owner: what has the void label, for the message.
        ignore_index: the label of void pixels.
        num_classes: K.

    Raises:
        UserError: ``ignore_index`` is in 0..K-1.
    """
    if 0 <= ignore_index < num_classes:
        where = " here, in data set and metrics and where images are padded" if num_classes > DEFAULT_VOID else ""
        raise UserError(
            f"{owner}: ignore_index={ignore_index} is one of the {num_classes} classes, which would never be learned "
            f"or evaluated: set ignore_index={default_void(num_classes)}{where}"
        )


def default_void(num_classes: int) -> int:
    """Return the usual label of void pixels: 255, or 65535 where 255 is a class and label maps need 16 bits."""
    return DEFAULT_VOID if num_classes <= DEFAULT_VOID else WIDE_VOID
