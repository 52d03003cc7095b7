"""Hooks of the Runner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn

from mmmaskformer.engine.datasets import innermost_datasets
from mmmaskformer.registry import HOOKS


@HOOKS.register_module()
class DatasetMetaCheckHook(Hook):
    """Lets a model refuse a data set before the first iteration.

    Every submodule with a method ``check_dataset_meta(metainfo)`` is shown the metainfo of each data set it is about
    to see (class names, ...), also of those inside wrappers, and raises where the two disagree.
    """

    priority = "VERY_HIGH"

    def before_train(self, runner: Any) -> None:
        """Checks the training data set."""
        self._check(runner.model, runner.train_dataloader)

    def before_val(self, runner: Any) -> None:
        """Checks the validation data set."""
        self._check(runner.model, runner.val_dataloader)

    def before_test(self, runner: Any) -> None:
        """Checks the test data set."""
        self._check(runner.model, runner.test_dataloader)

    def _check(self, model: nn.Module, dataloader: Any) -> None:
        while is_model_wrapper(model):
            model = model.module
        checks = [module.check_dataset_meta for module in model.modules() if hasattr(module, "check_dataset_meta")]
        for dataset in innermost_datasets(dataloader.dataset):
            metainfo = getattr(dataset, "metainfo", None)
            if isinstance(metainfo, Mapping):
                for check in checks:
                    check(metainfo)
