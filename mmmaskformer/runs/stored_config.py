"""The config that a checkpoint holds in itself, for predictions from a checkpoint alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from torch import Tensor

from mmmaskformer.checkpoint.fitting import check_fit, meta_model, shapes_of
from mmmaskformer.checkpoint.formats import read_checkpoint
from mmmaskformer.errors import UserError
from mmmaskformer.foreign import literals, values
from mmmaskformer.foreign.configs import accept_config
from mmmaskformer.foreign.types import registered_only
from mmmaskformer.runs.config import load_config

KEYS = ("cfg", "config")  # of MMEngine's meta, and of that of MMCV's runners before
TENSORS_PER_WEIGHT, SPARE_TENSORS = 10, 1000
SPARE_ELEMENTS = 1 << 26  # of buffers that are not saved


def config_of_model(
    config: str | os.PathLike | Config | None,
    checkpoint: str | None,
    cfg_options: Mapping[str, Any] | None,
    trust_config: bool,
) -> Config:
    """Return the config of a file or of a checkpoint, with overrides.

    Args:
        config: a config file, a config that was read, or None for the one that the checkpoint holds.
        checkpoint: a checkpoint.
        cfg_options: overrides, dotted keys and values.
        trust_config: see :func:`read_stored_config`.

    Raises:
        UserError: there is no config, it cannot be read, or it is not accepted.
    """
    if trust_config and config is not None:
        raise UserError(
            "trust_config is for the config that a checkpoint holds: give a config or trust_config, not both"
        )
    if config is not None and not isinstance(config, Config):
        return load_config(config, cfg_options)
    if config is None and checkpoint is None:
        raise UserError("no config given, and no checkpoint that could hold one")
    cfg = read_stored_config(checkpoint, trust_config) if config is None else deepcopy(config)
    cfg.merge_from_dict(dict(cfg_options or {}))
    return cfg


def read_stored_config(path: str, trust: bool = False) -> Config:
    """Return the config of a checkpoint, from its ``meta`` or from the ``.py`` file that a conversion writes beside it.

    Args:
        path: the checkpoint.
        trust: run the config's text as a program, as MMEngine runs config files. Otherwise it must be data alone
            (:mod:`mmmaskformer.foreign.configs`), and the model must fit the checkpoint's tensors exactly.

    Raises:
        UserError: there is no config, or it is not accepted, or its model is another than the checkpoint's.
    """
    if "://" in path:
        raise UserError(
            f"checkpoint {path} is not on this machine: give its config with --config, or download it first"
        )
    checkpoint = read_checkpoint(path)
    text, where = _text(path, checkpoint.meta)
    if trust:
        return _run(text, where)
    stored = accept_config(text, where)
    if stored.left_out:
        names = ", ".join(stored.left_out)
        print_log(f"{where}: left out {names}, which predictions do not need", logger="current", level=30)
    cfg = Config(stored.config)
    with built_from(where):
        _check_model(cfg, checkpoint.weights)
    return cfg


@contextmanager
def built_from(where: str) -> Iterator[None]:
    """For building and trying what a stored config describes: nothing is imported, and a failure is the config's.

    Args:
        where: the config, for messages.

    Raises:
        UserError: whatever else the block raises.
    """
    try:
        with registered_only():
            yield
    except UserError as error:
        if where in str(error):
            raise
        raise UserError(f"{where}: {error}") from error
    except Exception as error:  # code of three packages, with arguments that a stranger wrote
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(f"{where} does not describe a model that works: {reason}") from error


def _text(path: str, meta: Mapping[str, Any]) -> tuple[str, str]:
    """Return the config's text and what to call it."""
    for text in map(meta.get, KEYS):
        if text is not None and not isinstance(text, str):
            values.refuse(text, f"the config in {path}", "a text")
        if text and text.strip():
            return text, f"the config in {path}"
    beside = Path(path).with_suffix(".py")
    if beside.is_file() and beside != Path(path):
        with open(beside, "rb") as file:
            return file.read(4 * literals.LARGEST + 1).decode("utf-8", errors="replace"), str(beside)
    raise UserError(f"{path} holds no config (its meta has neither cfg nor config): give one with --config")


def _run(text: str, where: str) -> Config:
    try:
        return Config.fromstring(text, ".py")
    except Exception as error:  # a program can raise anything
        raise UserError(f"{where} cannot be run: {' '.join(str(error).split()) or type(error).__name__}") from error


def _check_model(cfg: Config, weights: Mapping[str, Tensor]) -> None:
    for key, value in weights.items():
        if value.untyped_storage().nbytes() < value.numel() * value.element_size():
            raise UserError(f"{key} has {value.numel()} elements in the checkpoint, and memory for fewer")
    model = meta_model(cfg, TENSORS_PER_WEIGHT * len(weights) + SPARE_TENSORS)
    check_fit(weights, shapes_of(model), "the model")
    elements = sum(value.numel() for value in weights.values())
    computed = sum(value.numel() for value in model.buffers())
    if computed > elements + SPARE_ELEMENTS:
        raise UserError(f"the model computes {computed} numbers beside its {elements} weights")
