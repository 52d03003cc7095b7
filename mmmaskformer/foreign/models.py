"""The model of a stored config: which classes it may name, and which values it may give them.

A class can do harm with what it is given in three ways. A string can name a file, an address, a module or code; so each
string is a word of a list, or a name of a kind that is checked: a class, a loss, a timm model. A number can ask for
memory or time; numbers are bounded here, and the model is built without memory and compared with the checkpoint's
tensors before it is built (:mod:`mmmaskformer.runs.stored_config`). And an argument can make a class fetch weights by
itself; arguments about pretrained weights are left out, as the weights come from the checkpoint.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from mmmaskformer.errors import UserError

from . import values
from .types import SCOPES, model_class

LARGEST_INTEGER = 1_000_000
LARGEST_NUMBER = 1e9
INITIAL_WEIGHTS = re.compile(r"init_cfg|.*(pretrained|checkpoint|ckpt).*")
IN_TRAINING = ("batch_augments",)
LOSS_NAME = re.compile(r"loss_\w{1,40}", re.ASCII)
TIMM_NAME = re.compile(r"[a-z0-9_]{1,80}(\.[a-z0-9_]{1,80})?")
# All the words with which the configs of mmseg, mmdet and this package say how a model computes.
WORDS = {
    "BASIC", "BOTTLENECK", "STDCNet1", "STDCNet2", "act", "add", "after_conv1", "after_conv2", "after_conv3", "area",
    "att", "avg", "base", "bi-direction", "bicubic", "bilinear", "caffe", "cat", "channel_add", "channel_mul",
    "cls_token", "collect", "concat", "concatenation", "constant", "conv", "detr", "distribute", "dot_product",
    "embedded_gaussian", "gaussian", "general", "huge", "ignore", "lanczos", "large", "largest", "mask_logits",
    "maskformer", "max", "mean", "multiple_select", "nearest", "none", "norm", "normal", "on_input", "on_lateral",
    "on_output", "pos_embed", "project", "pytorch", "reflect", "replicate", "resize_concat", "same", "scores",
    "semantic", "sigmoid", "slide", "slide_flip", "small", "smallest", "softmax", "sum", "symmetric", "tiny",
    "uniform", "valid", "whole", "zero", "zeros",
}  # fmt: skip


class CheckedModel:
    """Goes through the model of a config.

    Args:
        scope: MMEngine's default scope of the config.

    Attributes:
        left_out: arguments that were left out, each once.
    """

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.left_out: list[str] = []

    def __call__(self, model: Any, where: str) -> dict[str, Any]:
        """Return the model with what is harmless.

        Raises:
            UserError: a class, a word or a number that is not accepted; names it and its place.
        """
        if "type" not in values.mapping(model, where):
            raise UserError(f"{where} has no type")
        return self._mapping(model, where, self.scope)

    def _value(self, value: Any, key: str, where: str, scope: str) -> Any:
        if isinstance(value, Mapping):
            return self._mapping(value, where, scope)
        if isinstance(value, list | tuple):
            return type(value)(self._value(v, key, f"{where}[{i}]", scope) for i, v in enumerate(value))
        if isinstance(value, str):
            return _word(value, key, where)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int):
            return values.whole(value, where, -LARGEST_INTEGER, LARGEST_INTEGER)
        return values.number(value, where, -LARGEST_NUMBER, LARGEST_NUMBER)

    def _mapping(self, value: Mapping, where: str, scope: str) -> dict[str, Any]:
        scope = values.one_of(value.get("_scope_", scope), f"{where}._scope_", SCOPES)
        found: dict[str, Any] = {}
        for key, item in value.items():
            place = f"{where}.{key}"
            if key == "type":
                found[key] = _type(item, place, scope)
            elif key == "_scope_":
                found[key] = item
            elif isinstance(key, str) and INITIAL_WEIGHTS.fullmatch(key):
                if item and key not in self.left_out:
                    self.left_out.append(key)
            elif key not in IN_TRAINING:
                found[key] = self._value(item, key, place, scope)
        if "type" in found and _fetches_by_default(model_class(found["type"], scope)):
            found["pretrained"] = False
        _check_pixels(found, where)
        return found


def _type(name: Any, where: str, scope: str) -> str:
    if not isinstance(name, str) or model_class(name, scope) is None:
        raise UserError(
            f"{where} is {values.shown(name)}, which is no part of a model that {', '.join(SCOPES)} have registered"
        )
    return name


def _word(value: str, key: str, where: str) -> str:
    known = value in WORDS or LOSS_NAME.fullmatch(value)
    if key == "model_name":
        import timm

        known = TIMM_NAME.fullmatch(value) and timm.is_model(value.partition(".")[0])
    if not known:
        raise UserError(f"{where} is {values.shown(value)}, which is no word that a stored config may use")
    return value


def _fetches_by_default(kind: Any) -> bool:
    parameter = inspect.signature(kind).parameters.get("pretrained")
    return parameter is not None and parameter.default not in (None, False, parameter.empty)


def _check_pixels(found: Mapping[str, Any], where: str) -> None:
    """Refuse a deviation of zero, which makes every prediction nan."""
    for key, low in (("mean", -1e4), ("std", 1e-3)):
        if isinstance(found.get(key), list | tuple):
            values.numbers(found[key], f"{where}.{key}", len(found[key]), low, 1e4)
