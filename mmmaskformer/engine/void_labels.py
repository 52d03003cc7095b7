"""Whether all parts of a run mean the same by void."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from mmmaskformer.engine.output_names import innermost_datasets
from mmmaskformer.errors import UserError
from mmmaskformer.labels import DEFAULT_VOID


def check_void_labels(model: nn.Module, dataset: Any, metrics: Iterable[Any]) -> list[str]:
    """Refuse 255 as void where it is a class, and find metrics with another void label than the head.

    Everything that pads, loads or evaluates label maps takes 255 for void by default. A head of more than 255 classes
    has another void label, and what was left at its default would make void pixels pixels of class 255.

    Args:
        model: asked for heads of ours, which have ``ignore_index`` and ``check_dataset_meta``.
        dataset: whose pipeline is going to be used.
        metrics: that are going to be computed.

    Returns:
        Warnings of metrics.

    Raises:
        UserError: a part takes a class for void.
    """
    metrics, warnings = list(metrics), []
    for head in model.modules():
        if not (hasattr(head, "check_dataset_meta") and hasattr(head, "ignore_index")):
            continue
        name = type(head).__name__
        if head.num_classes > DEFAULT_VOID and getattr(head, "num_stuff_classes", 1):
            for where, void in _void_labels(model, dataset, metrics):
                if void == DEFAULT_VOID:
                    raise UserError(
                        f"{where} is {void}, which is one of the {head.num_classes} classes of {name}: set it to "
                        f"{head.ignore_index}, the head's ignore_index"
                    )
        for metric in metrics:
            if getattr(metric, "ignore_index", head.ignore_index) != head.ignore_index:
                warnings.append(
                    f"{type(metric).__name__} leaves out pixels with the label {metric.ignore_index}, but void is "
                    f"{head.ignore_index} for {name}: pixels with that label count as errors, whatever is predicted. "
                    "Give both the same ignore_index, unless this is meant"
                )
    return warnings


def _void_labels(model: nn.Module, dataset: Any, metrics: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Each place where a void label stands, and what it is there."""
    preprocessor = getattr(model, "data_preprocessor", None)
    if getattr(preprocessor, "pad_seg", True):  # mmdet's option; mmseg always pads
        for key in ("seg_pad_val", "seg_pad_value"):
            yield f"model.data_preprocessor.{key}", getattr(preprocessor, key, None)
    for path, module in model.named_modules():
        if hasattr(module, "num_classes") and hasattr(module, "ignore_index"):
            yield f"model.{path}.ignore_index", module.ignore_index
    for part in innermost_datasets(dataset):
        for step in getattr(getattr(part, "pipeline", None), "transforms", ()):
            name = type(step).__name__
            for key in ("seg_pad_val", "void_label"):
                yield f"{name}.{key}", getattr(step, key, None)
            values = getattr(step, "pad_val", None)
            if isinstance(values, dict):
                yield f"{name}.pad_val['seg']", values.get("seg")
    for metric in metrics:
        yield f"{type(metric).__name__}.ignore_index", getattr(metric, "ignore_index", None)
