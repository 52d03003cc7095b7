"""COCO's categories and a data set's class names, which mmdet's data sets match by name.

mmdet leaves out annotations of other names, without a warning. It numbers the labels in the order of the file, whatever
the order of the class names.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Mapping, Sequence

from mmmaskformer.errors import UserError, listed, suggest

KEY = b'"categories"'


def matches_by_name(kind: type) -> bool:
    """Whether a type of data set loads its labels as mmdet's CocoDataset does."""
    for base in kind.__mro__:
        if (base.__module__, base.__name__) == ("mmdet.datasets.coco", "CocoDataset"):
            return kind.load_data_list is base.load_data_list
    return False


def check_class_names(path: str, classes: Sequence[str], owner: str, needed: Sequence[str] | None = None) -> None:
    """Compare class names with the categories of a file.

    Args:
        path: COCO's json, of instances or panoptic. One without categories says nothing and passes.
        classes: the names.
        owner: what has these classes, for the message.
        needed: those of the first classes that must be in the file, all by default.

    Raises:
        UserError: a name is no category, or the categories have another order, so that labels get each other's names.
    """
    names = read_categories(path)
    if names is None:
        return
    needed, known = list(classes if needed is None else needed), list(names.values())
    check_names_are_known(needed, known, path, f"{owner}: ")
    twice = [name for name in needed if needed.count(name) > 1]
    if twice:
        raise UserError(f"{owner}: metainfo.classes names {twice[0]!r} twice")
    order = [name for name in known if name in classes]
    for label, (here, there) in enumerate(zip(needed, order)):
        if here != there:
            raise UserError(
                f"{owner}: label {label} is {there!r} in {path}, whose order counts, but {here!r} in metainfo.classes: "
                "give the classes in the order of the file"
            )


def check_names_are_known(classes: Sequence[str], categories: Sequence[str], path: str, prefix: str = "") -> None:
    """Refuses class names that are no categories of a file.

    Args:
        classes: the names.
        categories: names of the file's categories.
        path: the file, for the message.
        prefix: begins the message.

    Raises:
        UserError: with the first of the names, and of the categories.
    """
    known = set(categories)
    foreign = [name for name in classes if name not in known]
    if not foreign:
        return
    count = "is no category" if len(foreign) == 1 else f"({len(foreign)} of {len(classes)} classes) are no categories"
    raise UserError(
        f"{prefix}{listed(map(repr, foreign))} {count} of {path} ({listed(categories)})"
        f"{suggest(foreign[0], list(categories))}; set metainfo=dict(classes=...) to names of the file"
    )


def read_categories(path: str | os.PathLike) -> dict[int, str] | None:
    """Name of each category id, in the order of the file; None where the file has no categories.

    The rest of the file, which may be hundreds of megabytes, is not parsed.
    """
    if os.path.getsize(path) == 0:
        return None
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(KEY)
        while start >= 0:
            found = _list_after_colon(content, start + len(KEY))
            if found is not None and all(isinstance(item, Mapping) and {"id", "name"} <= item.keys() for item in found):
                return {item["id"]: str(item["name"]) for item in found}
            start = content.find(KEY, start + 1)
    return None


def _list_after_colon(content: mmap.mmap, start: int) -> list | None:
    """Return the JSON list that is the value of a key which ends at ``start``."""
    size = 1 << 16
    while True:
        text = content[start : start + size].decode("utf-8", errors="ignore").lstrip()
        if not text.startswith(":"):
            return None
        text = text[1:].lstrip()
        if not text.startswith("["):
            return None
        try:
            return json.JSONDecoder().raw_decode(text)[0]
        except ValueError:
            if start + size >= len(content):
                return None
        size *= 4
