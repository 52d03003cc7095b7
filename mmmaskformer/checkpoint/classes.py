"""Names of the classes of the data sets that models are published for, to be stored with converted weights."""

from __future__ import annotations

from typing import Any

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
    """A name as it is, a colour as a list."""
    return value if isinstance(value, str) else list(value)


def named_classes(names: list[str], num_things: int | None) -> dict[str, Any]:
    """``dataset_meta`` of classes by name, things first."""
    if num_things is None:
        return dict(classes=names)
    return dict(classes=names, thing_classes=names[:num_things], stuff_classes=names[num_things:])
