"""Reading a config for the tools, and making its parts agree with each other."""

from __future__ import annotations

import importlib.util
import logging
import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.config.config import ConfigParsingError
from mmengine.logging import print_log
from mmengine.registry import init_default_scope

from mmmaskformer.errors import UserError, suggest
from mmmaskformer.registry import SCOPE
from mmmaskformer.runs.dataset_info import ClassCounts, class_counts, iterate_datasets

SEMANTIC_HEADS = ("decode_head", "auxiliary_head")
PANOPTIC_HEADS = ("panoptic_head", "panoptic_fusion_head")  # the latter of mmdet's own MaskFormer
# Heads of mmseg whose `out_channels` is the width of the mask embedding and not a number of classes.
MASK_HEADS = ("MaskFormerHead", "Mask2FormerHead")


def load_config(path: str | os.PathLike, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a config file, apply ``--cfg-options`` and enter its default scope.

    Args:
        path: A config file; the name of one of this package's, ``maskformer_r50_ade20k``; or one that a package ships,
            ``mmseg::upernet/upernet_r50_4xb4-160k_ade20k-512x512.py``.
        overrides: Dotted keys and their values.

    Returns:
        The config, with ``work_dir`` set (by default ``work_dirs/<name of the file>``).

    Raises:
        UserError: The file is missing or cannot be read, or an override cannot be applied.
    """
    path = find_config(path)
    try:
        cfg = Config.fromfile(path)
    except (Exception, SystemExit) as error:  # a config is a program: it can raise anything
        raise UserError(f"config file {path} cannot be read: {_why(error)}") from error
    try:
        cfg.merge_from_dict(dict(overrides or {}))
    except (KeyError, TypeError, IndexError) as error:
        raise UserError(f"--cfg-options do not fit {path}: {error}") from error
    cfg.setdefault("work_dir", str(Path("work_dirs") / path.stem))
    init_default_scope(cfg.get("default_scope", "mmseg"))
    return cfg


def _why(error: BaseException) -> str:
    """Return what is wrong with a config, from what its reading raised."""
    if isinstance(error, RecursionError):
        return "it inherits from itself: follow its _base_, which must end at a file without one"
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ConfigParsingError | SyntaxError | OSError | UnicodeDecodeError):
        return text
    # MMEngine runs a copy of the file, or of one that it inherits from, as a module.
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.name == "<module>"]
    place = f" in line {lines[-1]}" if lines else ""
    return f"{type(error).__name__}{place}: {text}"


def find_config(path: str | os.PathLike) -> Path:
    """Return the file that a config's path or name means.

    Args:
        path: see :func:`load_config`.

    Raises:
        UserError: There is no such file; names those with a similar name.
    """
    if "::" in str(path):
        path = shipped_config(str(path))
    path = Path(path)
    if path.is_file():
        return path
    name = path.name if path.suffix == ".py" else f"{path.name}.py"
    known = {file.name: file for file in path.parent.glob("*.py")}
    if path.parent == Path():
        own = {file.name: file for file in sorted(shipped_config(f"{SCOPE}::").glob("*/*.py"))}
        if name in own:
            return own[name]
        known |= own
    elif path.parent.name == "configs" and (moved := sorted(path.parent.glob(f"*/{name}"))):
        print_log(f"{path} is {moved[0]} now; its former path works until the next release", "current", logging.WARNING)
        return moved[0]
    if path.is_dir():
        raise UserError(f"config file {path} is a folder: name a file in it")
    raise UserError(f"config file {path} does not exist{suggest(path.name, known, _stem)}")


def _stem(name: str) -> str:
    """Of a config file's name: all end with ``.py``, which would make any two similar."""
    return name.removesuffix(".py")


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
    """Make the heads' class counts follow the data set, in place.

    A Runner builds the model before any data set, and a base config's ``num_classes = len(classes)`` is not computed
    again when a child changes ``classes``; here a data set's class names are the one place that says how many there
    are, and its ``thing_classes`` and ``stuff_classes`` how many of each. Class weights that are all equal, and output
    channels, follow. A model without such heads, or with a text encoder that brings its own classes, is left alone.

    Args:
        cfg: The config.
        dataloaders: Keys of the data loaders that are going to be used; the first that is there decides.

    Raises:
        UserError: Two of the data sets disagree, things and stuff do not add up, or class weights are given one by one
            for another number of classes.
    """
    model = cfg.get("model") or {}
    # The classes of an open-vocabulary model are those of its text encoder, whatever a data set has.
    if "text_encoder" in model or all(model.get(key) is None for key in SEMANTIC_HEADS + PANOPTIC_HEADS):
        return
    counts = _common_counts(cfg, dataloaders)
    if counts is None:
        return
    for key in SEMANTIC_HEADS:
        for head in as_list(model.get(key)):
            _set_num_classes(head, f"model.{key}", counts)
    for key in PANOPTIC_HEADS:
        if model.get(key) is not None:
            _set_things_and_stuff(model[key], f"model.{key}", counts)


def as_list(heads: Any) -> list:
    """Return the heads of a key that may hold one, several in a row (mmseg's cascades) or none."""
    if heads is None:
        return []
    return list(heads) if isinstance(heads, list | tuple) else [heads]


def _common_counts(cfg: Config, dataloaders: Sequence[str]) -> ClassCounts | None:
    counts: ClassCounts | None = None
    for key in dataloaders:
        for dataset in iterate_datasets(cfg.get(key)):
            here = class_counts(dataset, f"{key} ({dataset.type})")
            if here is None:
                continue
            if counts is None:
                counts = here
            elif _differ(counts, here):
                raise UserError(
                    f"{counts.source} has {counts}, but {here.source} has {here}: "
                    "give both data sets the same metainfo=dict(classes=...)"
                )
    return counts


def _differ(one: ClassCounts, other: ClassCounts) -> bool:
    both_tell = one.things is not None and other.things is not None
    return one.total != other.total or (both_tell and one.things != other.things)


def _set_num_classes(head: ConfigDict, path: str, counts: ClassCounts) -> None:
    old = head.get("num_classes")
    if old == counts.total:
        return
    head.num_classes = counts.total
    if old is None:
        return
    print_log(f"{path}.num_classes: {old} -> {counts.total}, as {counts.source} has {counts}", logger="current")
    if head.get("out_channels") == old and str(head.get("type")).rpartition(".")[2] not in MASK_HEADS:
        head.out_channels = counts.total
    _set_class_weights(head, path, old, counts)


def _set_things_and_stuff(head: ConfigDict, path: str, counts: ClassCounts) -> None:
    things, stuff = head.get("num_things_classes"), head.get("num_stuff_classes")
    if counts.things is not None:
        new = (counts.things, counts.stuff)
    elif None not in (things, stuff) and things + stuff == counts.total:
        return
    # A data set that tells nothing apart is all instances or all semantic, and so is a model for it.
    elif stuff == 0:
        new = (counts.total, 0)
    elif things == 0:
        new = (0, counts.total)
    else:
        raise UserError(
            f"{path} has num_things_classes={things} and num_stuff_classes={stuff}, but {counts.source} has {counts} "
            "and does not say which of them are things: set both numbers, or metainfo.thing_classes and stuff_classes"
        )
    if new == (things, stuff):
        return
    head.num_things_classes, head.num_stuff_classes = new
    if None in (things, stuff):
        return
    print_log(
        f"{path}: num_things_classes {things} -> {new[0]}, num_stuff_classes {stuff} -> {new[1]}, "
        f"as {counts.source} has {counts}",
        logger="current",
    )
    _set_class_weights(head, path, things + stuff, counts)


def _set_class_weights(head: ConfigDict, path: str, old: int, counts: ClassCounts) -> None:
    for owner, where in walk(head, path):
        weights = owner.get("class_weight")
        if old == counts.total or not isinstance(weights, list | tuple) or len(weights) - old not in (0, 1):
            continue
        if len(set(weights[:old])) > 1:
            raise UserError(
                f"{where}.class_weight lists weights for {old} classes, but {counts.source} has {counts}: "
                f"give {counts.total} weights"
            )
        # A last, extra weight is that of "no object".
        owner.class_weight = [weights[0]] * counts.total + list(weights[old:])


def walk(node: Any, path: str) -> Iterator[tuple[ConfigDict, str]]:
    """Every mapping below ``node``, with its dotted path."""
    if isinstance(node, Mapping):
        yield node, path
        for key, value in node.items():
            yield from walk(value, f"{path}.{key}")
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from walk(value, f"{path}[{index}]")
