"""Hooks of the Runner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper

from mmmaskformer.engine.output_names import innermost_datasets
from mmmaskformer.engine.void_labels import check_void_labels
from mmmaskformer.labels import check_class_names
from mmmaskformer.registry import HOOKS


@HOOKS.register_module()
class DatasetMetaCheckHook(Hook):
    """Lets a model refuse a data set before the first iteration.

    Every submodule with a method ``check_dataset_meta(metainfo)`` is shown the metainfo of each data set it is about
    to see (class names, ...), also of those inside wrappers, and raises where the two disagree. Class names that are a
    string, and parts of the run that take a class for void, are refused for all of them.
    """

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def before_train(self, runner: Any) -> None:
        """Check the training data set, and the metrics of validations to come."""
        self._check(runner.model, runner.train_dataloader, runner.val_loop)

    def before_val(self, runner: Any) -> None:
        """Check the validation data set."""
        self._check(runner.model, runner.val_dataloader, runner.val_loop)

    def before_test(self, runner: Any) -> None:
        """Check the test data set."""
        self._check(runner.model, runner.test_dataloader, runner.test_loop)

    def _check(self, model: Any, dataloader: Any, evaluating: Any) -> None:
        while is_model_wrapper(model):
            model = model.module
        checks = [module.check_dataset_meta for module in model.modules() if hasattr(module, "check_dataset_meta")]
        for dataset in innermost_datasets(dataloader.dataset):
            metainfo = getattr(dataset, "metainfo", None)
            if isinstance(metainfo, Mapping):
                check_class_names(type(dataset).__name__, metainfo)
                for check in checks:
                    check(metainfo)
        metrics = getattr(getattr(evaluating, "evaluator", None), "metrics", ())
        for warning in check_void_labels(model, dataloader.dataset, metrics):
            if warning not in self._warned:
                self._warned.add(warning)
                print_log(warning, logger="current", level=30)
