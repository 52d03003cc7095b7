"""What a checkpoint says about its data set: names and colors of classes, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import values

KEYS = ("classes", "palette", "thing_classes", "stuff_classes")


def read_dataset_meta(meta: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``dataset_meta`` of MMEngine's ``meta``.

    Args:
        meta: of a checkpoint.
        where: the checkpoint, for messages.

    Returns:
        Those of :data:`KEYS` that are there; empty where the checkpoint names no data set. Whatever else a
        data set said about itself is left out.

    Raises:
        UserError: a value is not what its key promises.
    """
    found = values.mapping(meta, f"{where}: meta").get("dataset_meta")
    if found is None:
        return {}
    return checked_metainfo(found, f"{where}: dataset_meta")


def checked_metainfo(metainfo: Any, where: str) -> dict[str, Any]:
    """Those of :data:`KEYS` that ``metainfo`` holds.

    Raises:
        UserError: as above.
    """
    found = {}
    for key, value in values.mapping(metainfo, where).items():
        if key in KEYS and value is not None:
            checked = (values.colors if key == "palette" else values.names)(value, f"{where}.{key}")
            found[key] = tuple(checked) if isinstance(value, tuple) else checked  # as the data set has it
    return found
