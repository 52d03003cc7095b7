"""What a data set will say about itself, read from its config before it is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from mmengine.config import ConfigDict
from mmengine.registry import DATASETS

from mmmaskformer.errors import UserError
from mmmaskformer.registry import class_in_config


@dataclass(frozen=True)
class ClassCounts:
    """How many classes a data set has.

    Attributes:
        source: the data set, for messages.
        total: number of classes.
        things, stuff: how many of them are things and stuff; None where the data set does not tell them apart.
    """

    source: str
    total: int
    things: int | None
    stuff: int | None

    def __str__(self) -> str:
        parts = "" if self.things is None else f" ({self.things} things and {self.stuff} stuff)"
        return f"{self.total} classes{parts}"


def class_counts(dataset: ConfigDict, source: str) -> ClassCounts | None:
    """Return the class counts that a data set built from this config will have; None where it does not know.

    Raises:
        UserError: Things and stuff do not add up to the classes.
    """
    metainfo = dataset_metainfo(dataset)
    classes, things, stuff = (metainfo.get(key) for key in ("classes", "thing_classes", "stuff_classes"))
    if classes is None:
        return None
    if things is None or stuff is None:
        return ClassCounts(source, len(classes), None, None)
    if len(things) + len(stuff) != len(classes):
        raise UserError(
            f"{source} has {len(things)} thing_classes and {len(stuff)} stuff_classes, but {len(classes)} classes: "
            "metainfo must give all three, and classes must be thing_classes + stuff_classes"
        )
    return ClassCounts(source, len(classes), len(things), len(stuff))


def dataset_classes(dataset: ConfigDict) -> list[str] | None:
    """Return the class names that a data set built from this config will have; None where it does not know."""
    classes = dataset_metainfo(dataset).get("classes")
    return None if classes is None else list(classes)


def dataset_metainfo(dataset: ConfigDict) -> dict[str, Any]:
    """Return what a data set built from this config will say about itself.

    Raises:
        UserError: ``metainfo.classes`` names classes that this type of data set cannot have.
    """
    kind = dataset_type(dataset)
    if kind is None or not hasattr(kind, "_load_metainfo"):
        return {}
    given = dataset.get("metainfo")
    metainfo = kind._load_metainfo(given.to_dict() if isinstance(given, ConfigDict) else deepcopy(given))
    own = getattr(kind, "METAINFO", {}).get("classes")
    foreign = [name for name in metainfo.get("classes") or () if own and name not in own]
    if foreign and hasattr(kind, "get_label_map"):
        raise UserError(
            f"metainfo.classes names {foreign[0]!r}, which {dataset.type} does not have: it can only keep some of its "
            f"own {len(own)} classes. For other classes use type='BaseSegDataset' with metainfo=dict(classes=...)"
        )
    return metainfo


def dataset_type(dataset: ConfigDict) -> type | None:
    """Return the class that a data set's config names, or None where no registry knows it."""
    return class_in_config(DATASETS, dataset)


def iterate_datasets(dataloader: Mapping | None) -> Iterator[ConfigDict]:
    """Return the innermost data sets below a data loader's config."""
    pending = [dataloader.get("dataset")] if dataloader else []
    while pending:
        dataset = pending.pop()
        if isinstance(dataset, list | tuple):
            pending += dataset
        elif isinstance(dataset, Mapping):
            inner = [dataset[key] for key in ("dataset", "datasets") if key in dataset]
            pending += inner
            if not inner and "type" in dataset:
                yield dataset
