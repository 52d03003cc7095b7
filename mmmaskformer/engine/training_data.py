"""Whether a data set has what a run needs: samples, label maps, instances."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from torch import nn

from mmmaskformer.categories import check_class_names, matches_by_name
from mmmaskformer.engine.output_names import innermost_datasets
from mmmaskformer.errors import UserError, listed
from mmmaskformer.files import is_remote

PACKAGE = "mmmaskformer"
LISTED = 5


def check_not_empty(dataset: Any, samples: Any) -> None:
    """Refuses a data set without a sample, over which MMEngine's InfiniteSampler never comes to an end.

    Args:
        dataset: for the message.
        samples: its list of samples; anything without a length passes.

    Raises:
        UserError: with what is known about the data set.
    """
    if hasattr(samples, "__len__") and len(samples) == 0:
        raise UserError(
            f"the data set {_described(dataset)} has no sample: check its folders and annotation file, and whether "
            "filter_cfg leaves any image"
        )


def check_names(dataset: Any) -> None:
    """Compare the class names of mmdet's COCO data sets with their files.

    Raises:
        UserError: see :func:`mmmaskformer.categories.check_class_names`.
    """
    for part in innermost_datasets(dataset):
        classes = getattr(part, "metainfo", {}).get("classes")
        if classes is not None and matches_by_name(type(part)) and os.path.isfile(part.ann_file):
            check_class_names(part.ann_file, classes, type(part).__name__)


def check_label_files(dataset: Any) -> None:
    """Refuse mmseg's data sets whose first images have no label map, as with a wrong ``seg_map_suffix``.

    Raises:
        UserError: with the missing file, and the endings of the files that are there.
    """
    for part in innermost_datasets(dataset):
        suffix = getattr(part, "seg_map_suffix", None)
        if suffix is None or is_remote(getattr(part, "backend_args", None)) or not _loads_label_maps(part):
            continue
        paths = [part.get_data_info(index).get("seg_map_path") for index in range(min(len(part), LISTED))]
        missing = [path for path in paths if path and not os.path.isfile(path)]
        if not missing:
            continue
        folder = os.path.dirname(missing[0])
        there = sorted(os.listdir(folder))[:LISTED] if os.path.isdir(folder) else []
        raise UserError(
            f"{_described(part)}: label map {missing[0]} does not exist. seg_map_suffix is {suffix!r}, "
            + (f"and in the folder are {', '.join(there)}" if there else f"and {folder} is no folder or is empty")
        )


def _loads_label_maps(dataset: Any) -> bool:
    transforms = getattr(getattr(dataset, "pipeline", None), "transforms", ())
    return any("Annotations" in type(transform).__name__ for transform in transforms)


def check_instances(dataset: Any) -> None:
    """Refuses training data of mmdet's whose images have no instance, no segment and no semantic map.

    Raises:
        UserError: with the data sets and their classes.
    """
    parts = list(innermost_datasets(dataset))
    if any(_has_ground_truth(part) for part in parts):
        return
    classes = list(parts[0].metainfo.get("classes") or ())
    raise UserError(
        f"{' and '.join(_described(part) for part in parts)}: {sum(map(len, parts))} images, but no instance of any "
        f"class ({listed(classes)}): there is nothing to train on"
    )


def uses_this_package(model: Any) -> bool:
    """Whether a model, or a model's config, has a part of ours."""
    if isinstance(model, nn.Module):
        return any(type(module).__module__.partition(".")[0] == PACKAGE for module in model.modules())
    if isinstance(model, Mapping):
        return _is_ours(model.get("type")) or any(uses_this_package(value) for value in model.values())
    return isinstance(model, list | tuple) and any(uses_this_package(item) for item in model)


def _is_ours(kind: Any) -> bool:
    return (kind if isinstance(kind, str) else getattr(kind, "__module__", "")).startswith(f"{PACKAGE}.")


def _has_ground_truth(dataset: Any) -> bool:
    """Whether a data set has something to train on, as far as its samples say; others pass."""
    if not hasattr(dataset, "get_data_info"):
        return True
    transforms = getattr(getattr(dataset, "pipeline", None), "transforms", ())
    loads_map = any(getattr(transform, "with_seg", False) for transform in transforms)
    for index in range(len(dataset)):
        sample = dataset.get_data_info(index)
        if "instances" not in sample or any(not instance.get("ignore_flag") for instance in sample["instances"]):
            return True
        # Segments of stuff are ground truth as well; without a list of them, a semantic map may hold any.
        if sample["segments_info"] if "segments_info" in sample else loads_map and sample.get("seg_map_path"):
            return True
    return False


def _described(dataset: Any) -> str:
    source = getattr(dataset, "ann_file", None) or getattr(dataset, "data_root", None)
    return f"{type(dataset).__name__} ({source})" if source else type(dataset).__name__
