"""Child registries of MMEngine's, in the scope ``mmmaskformer``.

``type='mmmaskformer.X'`` in any OpenMMLab config finds ``X`` here: MMEngine imports this module by the
scope's name and then the ``locations`` of the registry that is asked.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    """The class that a component's config names.

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


MODELS = Registry(
    "model",
    scope=SCOPE,
    parent=MMENGINE_MODELS,
    locations=["mmmaskformer.core", "mmmaskformer.backbones", "mmmaskformer.seg", "mmmaskformer.det"],
)
TASK_UTILS = Registry("task util", scope=SCOPE, parent=MMENGINE_TASK_UTILS, locations=["mmmaskformer.core"])
DATASETS = Registry("dataset", scope=SCOPE, parent=MMENGINE_DATASETS, locations=["mmmaskformer.datasets"])
TRANSFORMS = Registry("transform", scope=SCOPE, parent=MMENGINE_TRANSFORMS, locations=["mmmaskformer.datasets"])
METRICS = Registry("metric", scope=SCOPE, parent=MMENGINE_METRICS, locations=["mmmaskformer.evaluation"])
HOOKS = Registry(
    "hook", scope=SCOPE, parent=MMENGINE_HOOKS, locations=["mmmaskformer.engine", "mmmaskformer.engine.hooks.panels"]
)
OPTIM_WRAPPERS = Registry(
    "optim_wrapper", scope=SCOPE, parent=MMENGINE_OPTIM_WRAPPERS, locations=["mmmaskformer.engine"]
)
VISUALIZERS = Registry("visualizer", scope=SCOPE, parent=MMENGINE_VISUALIZERS, locations=["mmmaskformer.visualization"])
