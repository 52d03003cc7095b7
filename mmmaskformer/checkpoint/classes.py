"""The classes of the data sets that models are published for: their names, and ADE20K's two orders."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mmmaskformer.labels import ADE20K_THINGS_FIRST

from .keymap import Reorder

CITYSCAPES, COCO_PANOPTIC, ADE20K = 19, 133, 150


def known_classes(count: int, panoptic: bool) -> dict[str, Any]:
    """``dataset_meta`` for a number of classes that only one of the release's data sets has; empty for any other."""
    if panoptic and count in (COCO_PANOPTIC, ADE20K):
        from mmdet.datasets import ADE20KPanopticDataset, CocoPanopticDataset

        found = (CocoPanopticDataset if count == COCO_PANOPTIC else ADE20KPanopticDataset).METAINFO
    elif not panoptic and count in (CITYSCAPES, ADE20K):
        from mmseg.datasets import ADE20KDataset, CityscapesDataset

        found = (CityscapesDataset if count == CITYSCAPES else ADE20KDataset).METAINFO
    else:
        return {}
    return {key.lower(): [plain(value) for value in values] for key, values in found.items()}


def plain(value: Any) -> Any:
    """Return a name as it is, a color as a list."""
    return value if isinstance(value, str) else list(value)


def named_classes(names: list[str], num_things: int | None) -> dict[str, Any]:
    """``dataset_meta`` of classes by name, things first."""
    if num_things is None:
        return dict(classes=names)
    return dict(classes=names, thing_classes=names[:num_things], stuff_classes=names[num_things:])


# ADE20K's classes in the order of the release's panoptic models <-> mmdet's order, which this package keeps.
ADE20K_ORDER = [ADE20K_THINGS_FIRST.index(label) for label in range(ADE20K)]


def _things_first(value: Tensor) -> Tensor:
    return value[[*ADE20K_THINGS_FIRST, ADE20K]]  # "no object" stays the last


def _ade20k_order(value: Tensor) -> Tensor:
    return value[[*ADE20K_ORDER, ADE20K]]


CLASS_ORDER = Reorder("ADE20K's classes, things first", _things_first, _ade20k_order)
