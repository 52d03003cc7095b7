"""Child registries of MMEngine's, in the scope ``mmmaskformer``.

``type='mmmaskformer.X'`` in any OpenMMLab config finds ``X`` here: MMEngine imports this module by the
scope's name and then the ``locations`` of the registry that is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import TASK_UTILS as MMENGINE_TASK_UTILS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import VISUALIZERS as MMENGINE_VISUALIZERS
from mmengine.registry import Registry

SCOPE = "mmmaskformer"


def class_in_config(registry: Registry, config: Mapping) -> type | None:
    """Return the class that a component's config names.

    Args:
        registry: MMEngine's root registry of such components.
        config: with a ``type``, a name or a class, and perhaps a ``_scope_``.

    Returns:
        The class; None where the config has no type or the registry does not know it.
    """
    kind = config.get("type")
    if not isinstance(kind, str):
        return kind
    with registry.switch_scope_and_registry(config.get("_scope_")) as scoped:
        return scoped.get(kind)


class PartRegistry(Registry):
    """A registry that imports its ``locations`` only for a name that it does not have yet.

    MMEngine's imports them at every look-up, so that a part of the core could not be built without mmseg and mmdet.
    """

    def get(self, key: str) -> Any:
        """Return the part registered under a name, with or without the scope; see MMEngine's ``Registry.get``."""
        scope, name = self.split_scope_key(key)
        if scope in (None, self.scope) and name in self.module_dict:
            return self.module_dict[name]
        return super().get(key)


MODELS = PartRegistry(
    "model",
    scope=SCOPE,
    parent=MMENGINE_MODELS,
    locations=["mmmaskformer.core", "mmmaskformer.backbones", "mmmaskformer.seg", "mmmaskformer.det"],
)
TASK_UTILS = PartRegistry("task util", scope=SCOPE, parent=MMENGINE_TASK_UTILS, locations=["mmmaskformer.core"])
DATASETS = PartRegistry("dataset", scope=SCOPE, parent=MMENGINE_DATASETS, locations=["mmmaskformer.datasets"])
TRANSFORMS = PartRegistry("transform", scope=SCOPE, parent=MMENGINE_TRANSFORMS, locations=["mmmaskformer.datasets"])
METRICS = PartRegistry("metric", scope=SCOPE, parent=MMENGINE_METRICS, locations=["mmmaskformer.evaluation"])
HOOKS = PartRegistry(
    "hook", scope=SCOPE, parent=MMENGINE_HOOKS, locations=["mmmaskformer.engine", "mmmaskformer.engine.hooks.panels"]
)
OPTIM_WRAPPERS = PartRegistry(
    "optim_wrapper", scope=SCOPE, parent=MMENGINE_OPTIM_WRAPPERS, locations=["mmmaskformer.engine"]
)
VISUALIZERS = PartRegistry(
    "visualizer", scope=SCOPE, parent=MMENGINE_VISUALIZERS, locations=["mmmaskformer.visualization"]
)
