"""Configs out of files of others, such as the one that MMEngine stores in a checkpoint's ``meta``.

MMEngine runs a config's text as a program, and imports whatever it names. A stored config is accepted only if

- its text is made of literals and ``dict(...)`` (:mod:`~mmmaskformer.foreign.literals`), and stands alone;
- each ``type`` in its model is a part of a model that mmengine, mmseg, mmdet or this package has registered, with
  arguments that can name neither a file nor an address nor code (:mod:`~mmmaskformer.foreign.models`);
- its test pipeline has known steps with known arguments (:mod:`~mmmaskformer.foreign.pipelines`).

Of such a config only the model, the test pipeline, names of the classes and the default scope are used. Data sets,
hooks, imports, launchers and schedules are not needed for predictions, and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmmaskformer.errors import UserError

from . import literals, values
from .metainfo import checked_metainfo
from .models import CheckedModel
from .pipelines import checked_pipeline
from .types import SCOPES

OURS = ("mmmaskformer", "mmseg.models", "mmdet.models", "mmseg", "mmdet")  # registered without being imported
INSTEAD = "give a config of your own with --config, or --trust-config to run this one as a program"


@dataclass
class StoredConfig:
    """A config that was accepted.

    Attributes:
        config: ``model``, ``test_pipeline``, ``default_scope`` and, where it is known, ``metainfo``.
        left_out: what it asked for and does not get: imports, hooks and initial weights.
    """

    config: dict[str, Any]
    left_out: list[str] = field(default_factory=list)


def accept_config(text: str, where: str) -> StoredConfig:
    """Return the harmless part of a config, which is read without running it.

    Args:
        text: of the config.
        where: the file that it is from, for messages.

    Raises:
        UserError: something in the parts that are used is not accepted; names it and its place.
    """
    try:
        return _accept(text, where)
    except UserError as error:
        raise UserError(f"{error}; {INSTEAD}") from error


def _accept(text: str, where: str) -> StoredConfig:
    content = literals.parse(text, where)
    if "_base_" in content:
        raise UserError(f"{where} builds on another file, {values.shown(content['_base_'])}")
    scope = values.one_of(content.get("default_scope", "mmseg"), f"{where}: default_scope", SCOPES)
    check = CheckedModel(scope)
    if content.get("model") is None:
        raise UserError(f"{where} has no model")
    model = check(content["model"], f"{where}: model")
    if content.get("data_preprocessor") is not None and "data_preprocessor" not in model:
        model["data_preprocessor"] = check(content["data_preprocessor"], f"{where}: data_preprocessor")
    found = dict(default_scope=scope, model=model)
    if pipeline := next(_pipelines(content), None):
        place, steps = pipeline
        found["test_pipeline"] = checked_pipeline(steps, f"{where}: {place}", scope)
    if metainfo := next(_metainfo(content), None):
        place, said = metainfo
        found["metainfo"] = checked_metainfo(said, f"{where}: {place}")
    return StoredConfig(found, [*_code(content), *check.left_out])


def _code(content: Mapping[str, Any]) -> Iterator[str]:
    """Return what would run code of others."""
    imports = content.get("custom_imports")
    imports = imports.get("imports") if isinstance(imports, Mapping) else imports
    for name in imports if isinstance(imports, list | tuple) else [imports]:
        if name is not None and name not in OURS:
            yield f"custom_imports of {values.shown(name)}"
    if content.get("custom_hooks"):
        yield "custom_hooks"


def _pipelines(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Test pipelines with their places; the one that MMEngine would use first."""
    for place, dataset in _datasets(content):
        if dataset.get("pipeline"):
            yield f"{place}.pipeline", dataset["pipeline"]
    if content.get("test_pipeline"):
        yield "test_pipeline", content["test_pipeline"]


def _metainfo(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Return what is said about the classes, with its place."""
    for place, dataset in _datasets(content):
        if dataset.get("metainfo"):
            yield f"{place}.metainfo", dataset["metainfo"]
    for key in ("metainfo", "dataset_meta"):
        if content.get(key):
            yield key, content[key]


def _datasets(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping]]:
    for key in ("test_dataloader", "val_dataloader"):
        place, owner = key, content.get(key)
        while isinstance(owner, Mapping) and isinstance(owner.get("dataset"), Mapping):  # wrappers hold another
            place, owner = f"{place}.dataset", owner["dataset"]
            yield place, owner
