"""Data that a Runner cannot train on or evaluate are refused before the first iteration, in every program."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any


def check_data_in_every_runner() -> None:
    """Make MMEngine's Runners check data sets when they build their loops.

    An empty data set is refused for any model. For a model of ours, the class names of mmdet's COCO data sets must be
    categories of their files, and the training data must hold something to train on.
    """
    from mmengine.dataset import BaseDataset
    from mmengine.runner import FlexibleRunner, Runner

    BaseDataset._serialize_data = _refusing_nothing(BaseDataset._serialize_data)
    for runner in (Runner, FlexibleRunner):
        runner.build_dataloader = staticmethod(_refusing_empty_data(runner.build_dataloader))
        for split in ("train", "val", "test"):
            name = f"build_{split}_loop"
            setattr(runner, name, _checking_data(getattr(runner, name), split))


def _refusing_nothing(original: Callable) -> Callable:
    @functools.wraps(original)
    def serialize_data(self: Any) -> Any:
        from .engine.training_data import check_not_empty

        check_not_empty(self, self.data_list)  # which NumPy could not concatenate
        return original(self)

    return serialize_data


def _refusing_empty_data(original: Callable) -> Callable:
    @functools.wraps(original)
    def build_dataloader(*args: Any, **kwargs: Any) -> Any:
        from .engine.training_data import check_not_empty

        dataloader = original(*args, **kwargs)
        # Before the loop is built: IterBasedTrainLoop starts workers, whose search for a first sample never ends.
        check_not_empty(dataloader.dataset, dataloader.dataset)
        return dataloader

    return build_dataloader


def _checking_data(original: Callable, split: str) -> Callable:
    @functools.wraps(original)
    def build_loop(self: Any, loop: Any) -> Any:
        from .engine.training_data import check_instances, check_label_files, check_names, uses_this_package
        from .runs.checks import check_categories

        if not uses_this_package(self.model):
            return original(self, loop)
        # Of the configs first: a panoptic data set of mmdet's fails with a bare KeyError when it is built.
        check_categories(_configs(self, split), [f"{split}_dataloader"])
        built = original(self, loop)
        check_names(built.dataloader.dataset)
        check_label_files(built.dataloader.dataset)
        if split == "train":
            check_instances(built.dataloader.dataset)
        return built

    return build_loop


def _configs(runner: Any, split: str) -> dict[str, Any]:
    """Return a split's data loader and metrics, as far as they are configs and not built yet."""
    from mmengine.config import ConfigDict

    found: dict[str, Any] = {}
    dataloader = getattr(runner, f"_{split}_dataloader", None)
    if isinstance(dataloader, Mapping):
        found[f"{split}_dataloader"] = ConfigDict(dataloader)
    metrics = getattr(runner, f"_{split}_evaluator", None)
    metrics = metrics if isinstance(metrics, list | tuple) else [metrics]
    found[f"{split}_evaluator"] = [metric for metric in metrics if isinstance(metric, Mapping)]
    return found
