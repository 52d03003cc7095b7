"""Reading a config for the tools, and making its parts agree with each other."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.config.config import ConfigParsingError
from mmengine.logging import print_log
from mmengine.registry import DATASETS, init_default_scope

from mmmaskformer.errors import UserError, suggest

HEADS = ("decode_head", "auxiliary_head")
# Heads of mmseg whose `out_channels` is the width of the mask embedding and not a number of classes.
MASK_HEADS = ("MaskFormerHead", "Mask2FormerHead")


def load_config(path: str | os.PathLike, overrides: Mapping[str, Any] | None = None) -> Config:
    """Reads a config file, applies ``--cfg-options`` and enters its default scope.

    Args:
        path: A config file, or one that a package ships: ``mmseg::upernet/upernet_r50_4xb4-160k_ade20k-512x512.py``.
        overrides: Dotted keys and their values.

    Returns:
        The config, with ``work_dir`` set (by default ``work_dirs/<name of the file>``).

    Raises:
        UserError: The file is missing or cannot be read, or an override cannot be applied.
    """
    path = shipped_config(str(path)) if "::" in str(path) else Path(path)
    if not path.is_file():
        beside = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise UserError(f"config file {path} does not exist{suggest(path.name, beside)}")
    try:
        cfg = Config.fromfile(path)
    except (ConfigParsingError, SyntaxError, FileNotFoundError, KeyError) as error:
        raise UserError(f"config file {path} cannot be read: {' '.join(str(error).split())}") from error
    try:
        cfg.merge_from_dict(dict(overrides or {}))
    except (KeyError, TypeError, IndexError) as error:
        raise UserError(f"--cfg-options do not fit {path}: {error}") from error
    cfg.setdefault("work_dir", str(Path("work_dirs") / path.stem))
    init_default_scope(cfg.get("default_scope", "mmseg"))
    return cfg


def shipped_config(name: str) -> Path:
    """Where ``PACKAGE::PATH`` lies, which need not exist.

    Raises:
        UserError: The package is not installed or ships no configs.
    """
    package, _, relative = name.partition("::")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    configs = Path(spec.origin).parent / ".mim" / "configs" if spec and spec.origin else None
    if configs is None or not configs.is_dir():
        raise UserError(f"config {name}: no package {package!r} that ships configs is installed")
    return configs / relative


def sync_dataset_meta(cfg: Config, dataloaders: Sequence[str]) -> None:
    """Makes the heads' class count follow the data set, in place.

    A Runner builds the model before any data set, and a base config's ``num_classes = len(classes)`` is not computed
    again when a child changes ``classes``; here a data set's class names are the one place that says how many there
    are. Class weights that are all equal, and output channels, follow.

    Args:
        cfg: The config.
        dataloaders: Keys of the data loaders that are going to be used; the first that is there decides.

    Raises:
        UserError: Two of the data sets disagree, or class weights are given one by one for another number of classes.
    """
    named: tuple[str, int] | None = None
    for key in dataloaders:
        for dataset in iterate_datasets(cfg.get(key)):
            classes = dataset_classes(dataset)
            if classes is None:
                continue
            here = f"{key} ({dataset.type})"
            if named is None:
                named = (here, len(classes))
            elif named[1] != len(classes):
                raise UserError(
                    f"{named[0]} has {named[1]} classes, but {here} has {len(classes)}: "
                    "give both data sets the same metainfo=dict(classes=...)"
                )
    model = cfg.get("model")
    if named is None or model is None:
        return
    for key in HEADS:
        heads = model.get(key)
        for head in heads if isinstance(heads, list | tuple) else [heads]:
            if head is not None:
                _set_num_classes(head, f"model.{key}", *named)


def dataset_classes(dataset: ConfigDict) -> list[str] | None:
    """The class names that a data set built from this config will have.

    Raises:
        UserError: ``metainfo.classes`` names classes that this type of data set cannot have.
    """
    kind = dataset_type(dataset)
    if kind is None or not hasattr(kind, "_load_metainfo"):
        return None
    metainfo = dataset.get("metainfo")
    metainfo = metainfo.to_dict() if isinstance(metainfo, ConfigDict) else deepcopy(metainfo)
    classes = kind._load_metainfo(metainfo).get("classes")
    own = getattr(kind, "METAINFO", {}).get("classes")
    foreign = [name for name in classes or () if own and name not in own]
    if foreign and hasattr(kind, "get_label_map"):
        raise UserError(
            f"metainfo.classes names {foreign[0]!r}, which {dataset.type} does not have: it can only keep some of its "
            f"own {len(own)} classes. For other classes use type='BaseSegDataset' with metainfo=dict(classes=...)"
        )
    return None if classes is None else list(classes)


def dataset_type(dataset: ConfigDict) -> type | None:
    """The class that a data set's config names, or None where no registry knows it."""
    if not isinstance(dataset.type, str):
        return dataset.type
    with DATASETS.switch_scope_and_registry(dataset.get("_scope_")) as registry:
        return registry.get(dataset.type)


def iterate_datasets(dataloader: Mapping | None) -> Iterator[ConfigDict]:
    """The innermost data sets below a data loader's config."""
    pending = [dataloader.get("dataset")] if dataloader else []
    while pending:
        dataset = pending.pop()
        if isinstance(dataset, list | tuple):
            pending += dataset
        elif isinstance(dataset, Mapping):
            inner = [dataset[key] for key in ("dataset", "datasets") if key in dataset]
            pending += inner
            if not inner and "type" in dataset:
                yield dataset


def _set_num_classes(head: ConfigDict, path: str, source: str, count: int) -> None:
    old = head.get("num_classes")
    if old == count:
        return
    if old is not None:
        print_log(f"{path}.num_classes: {old} -> {count}, as {source} has {count} classes", logger="current")
    head.num_classes = count
    if old is None:
        return
    if head.get("out_channels") == old and str(head.get("type")).rpartition(".")[2] not in MASK_HEADS:
        head.out_channels = count
    for owner, where in walk(head, path):
        weights = owner.get("class_weight")
        if not isinstance(weights, list | tuple) or len(weights) - old not in (0, 1):
            continue
        if len(set(weights[:old])) > 1:
            raise UserError(
                f"{where}.class_weight lists weights for {old} classes, but {source} has {count}: give {count} weights"
            )
        # A last, extra weight is that of "no object".
        owner.class_weight = [weights[0]] * count + list(weights[old:])


def walk(node: Any, path: str) -> Iterator[tuple[ConfigDict, str]]:
    """Every mapping below ``node``, with its dotted path."""
    if isinstance(node, Mapping):
        yield node, path
        for key, value in node.items():
            yield from walk(value, f"{path}.{key}")
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from walk(value, f"{path}[{index}]")
