"""What the inferencer asks of a config and a model: device, pipeline, channels, and the names of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from mmmaskformer.errors import UserError
from mmmaskformer.foreign.pipelines import loads_truth
from mmmaskformer.runs.dataset_info import dataset_classes, dataset_type, iterate_datasets
from mmmaskformer.visualization import complete_palette


def find_device(name: str | None) -> torch.device:
    """Return the device of that name, or the first GPU, or the CPU.

    Raises:
        UserError: this machine has no such device.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"device {name!r} cannot be used: {reason}; use 'cpu', or 'cuda:0' with a GPU") from error
    return device


def inference_pipeline(cfg: Config) -> list[dict]:
    """Step of the config's test pipeline without the loading of annotations.

    Raises:
        UserError: the config has none, or it does not lead from an image file to one packed sample.
    """
    datasets = [d for key in ("test_dataloader", "val_dataloader") for d in iterate_datasets(cfg.get(key))]
    steps = next((d.pipeline for d in datasets if d.get("pipeline")), None) or cfg.get("test_pipeline")
    if not steps:
        raise UserError(
            "the config has no test pipeline: neither test_dataloader.dataset.pipeline nor test_pipeline, which say "
            "how an image is read, resized and packed"
        )
    steps = [step.to_dict() if hasattr(step, "to_dict") else dict(step) for step in steps]
    steps = [step for step in steps if not loads_truth(str(step["type"]))]
    names = [str(step["type"]) for step in steps]
    if not names or "LoadImage" not in names[0] or "Pack" not in names[-1]:
        raise UserError(
            f"the config's test pipeline is {' > '.join(names) or 'empty'}: it must begin with LoadImageFromFile and "
            "end with PackSegInputs or PackDetInputs; test-time augmentation belongs into tta_pipeline"
        )
    return steps


def num_classes(model: nn.Module) -> int:
    """K of a model; of the last head where several stand in a row.

    Raises:
        UserError: the model has neither a ``decode_head`` nor a ``panoptic_head``.
    """
    for name in ("decode_head", "panoptic_head"):
        head = getattr(model, name, None)
        if head is not None:
            return (head[-1] if isinstance(head, nn.ModuleList) else head).num_classes
    raise UserError(f"the config's model {type(model).__name__} has neither a decode_head nor a panoptic_head")


def class_names(dataset_meta: Mapping[str, Any], cfg: Config, count: int) -> tuple[list[str], list[list[int]]]:
    """Names and colors of ``count`` classes.

    Args:
        dataset_meta: what the checkpoint says about its data set; has the last word on what the model learned.
        cfg: the config, whose data sets are asked next.
        count: K; names of any other number are not of this model.

    Returns:
        Names and palette; numbers and generated colors if none are known.
    """
    candidates = [(dataset_meta.get("classes"), dataset_meta.get("palette"))]
    for key in ("test_dataloader", "val_dataloader", "train_dataloader"):
        for dataset in iterate_datasets(cfg.get(key)):
            given = (dataset.get("metainfo") or {}).get("palette")
            known = getattr(dataset_type(dataset), "METAINFO", {})
            classes = dataset_classes(dataset)
            palette = given or (known.get("palette") if classes == list(known.get("classes", ())) else None)
            candidates.append((classes, palette))
    stored = cfg.get("metainfo") or {}
    candidates.append((stored.get("classes"), stored.get("palette")))
    for classes, palette in candidates:
        if classes is not None and len(classes) == count:
            return list(classes), complete_palette(palette, count)
    return [f"class {index}" for index in range(count)], complete_palette(None, count)


def model_channels(model: nn.Module) -> int | None:
    """Return how many channels a model's images have, as its normalization says; None if any number."""
    mean = getattr(getattr(model, "data_preprocessor", None), "mean", None)
    return len(mean) if isinstance(mean, torch.Tensor) and len(mean) > 1 else None
