"""Which class a ``type`` in a stored config stands for, without importing anything because a config names it.

MMEngine's ``Registry.get`` imports what it does not find: any dotted name, and for a bare one a module of that name. So
names are looked up here in the registries alone, and while a stored config is built MMEngine cannot import either.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

from mmengine.registry import MODELS, TASK_UTILS, TRANSFORMS, Registry, registry

SCOPES = ("mmengine", "mmseg", "mmdet", "mmmaskformer")
# What a model or a test pipeline may be made of. Other classes of these packages read files, fetch weights or run code
# that their arguments name: data sets, hooks, visualizers, language models, trackers, distillation.
MODEL_PACKAGES = (
    "torch.nn",
    "mmcv.cnn",
    "mmengine.model.base_model.data_preprocessor",
    "mmengine.utils.dl_utils.parrots_wrapper",  # norms
    "mmmaskformer.backbones",
    "mmmaskformer.core",
    "mmmaskformer.det",
    "mmmaskformer.seg",
    "mmseg.models.backbones",
    "mmseg.models.data_preprocessor",
    "mmseg.models.decode_heads",
    "mmseg.models.losses",
    "mmseg.models.necks",
    "mmseg.models.segmentors",
    "mmseg.models.utils",
    "mmseg.structures.sampler",
    "mmdet.models.backbones",
    "mmdet.models.data_preprocessors",
    "mmdet.models.dense_heads.mask2former_head",
    "mmdet.models.dense_heads.maskformer_head",
    "mmdet.models.detectors.mask2former",
    "mmdet.models.detectors.maskformer",
    "mmdet.models.layers",
    "mmdet.models.losses",
    "mmdet.models.necks",
    "mmdet.models.seg_heads",
    "mmdet.models.task_modules.assigners",
    "mmdet.models.task_modules.samplers",
)
TRANSFORM_PACKAGES = ("mmcv.transforms", "mmdet.datasets.transforms", "mmseg.datasets.transforms")


def model_class(name: str, scope: str) -> Any | None:
    """Return the part of a model that MMEngine would build for ``type=name`` in a scope; None where there is none.

    Args:
        name: the class's name, bare or as ``SCOPE.NAME``.
        scope: one of :data:`SCOPES`.
    """
    found = _look_up(MODELS, name, scope) or _look_up(TASK_UTILS, name, scope)
    return found if _is_of(found, MODEL_PACKAGES) else None


def transform_class(name: str, scope: str) -> Any | None:
    """As :func:`model_class`, for steps of a pipeline."""
    found = _look_up(TRANSFORMS, name, scope)
    return found if _is_of(found, TRANSFORM_PACKAGES) else None


@contextmanager
def registered_only() -> Iterator[None]:
    """Keep MMEngine's registries from importing anything but the packages of :data:`SCOPES`."""

    def refuse(name: str) -> NoReturn:
        raise LookupError(f"{name} is not registered")

    def import_known(name: str) -> ModuleType:
        if name.partition(".")[0] not in SCOPES:
            raise ImportError(f"{name} is none of {', '.join(SCOPES)}")
        return importlib.import_module(name)

    originals = registry.get_object_from_string, registry.import_module
    registry.get_object_from_string, registry.import_module = refuse, import_known
    try:
        yield
    finally:
        registry.get_object_from_string, registry.import_module = originals


def _look_up(root: Registry, name: str, scope: str) -> Any | None:
    owner, _, bare = name.rpartition(".")
    if (owner or scope) not in SCOPES:
        return None
    place = _of_scope(root, owner or scope)
    while place is not None:
        place.import_from_location()
        if bare in place.module_dict:
            return place.module_dict[bare]
        place = None if owner else place.parent
    return None


def _of_scope(root: Registry, scope: str) -> Registry | None:
    if scope == root.scope:
        return root
    importlib.import_module(f"{scope}.registry")  # one of SCOPES
    return root.children.get(scope)


def _is_of(found: Any, packages: Sequence[str]) -> bool:
    return f"{getattr(found, '__module__', '')}.".startswith(tuple(f"{package}." for package in packages))
