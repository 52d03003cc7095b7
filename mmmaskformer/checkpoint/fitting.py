"""Whether weights fit a config's model: compared by name and shape, without memory for the model."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mmmaskformer.errors import UserError, listed
from mmmaskformer.registry import MODELS

from .swin import relative_position_index

POSITIONS = "relative_position_index"
COMPUTED = ("num_batches_tracked", POSITIONS)
# Which option of the model's config decides over a tensor; the first that fits is named.
OPTIONS = [
    (r"backbone\.stages\..*relative_position", "backbone.window_size or num_heads"),
    (r"backbone\.stages\.\d+\.blocks\.\d+", "backbone.embed_dims or depths"),
    (r"backbone\.layer\d\.\d+\.", "backbone.depth or base_channels"),
    (r"backbone\.(stem|conv1|bn1)", "backbone.type, deep_stem or stem_channels"),
    (r"backbone\.", "backbone"),
    (r"(decode_head)\.(class_embed|classifier)", "{0}.num_classes"),
    (r"(panoptic_head)\.class_embed", "{0}.num_things_classes and num_stuff_classes"),
    (r"(\w+_head)\.query_embed", "{0}.num_queries"),
    (r"(\w+_head)\.pixel_decoder\.encoder\.layers\.\d+\.linear", "{0}.pixel_decoder.encoder.feedforward_channels"),
    (r"(\w+_head)\.transformer_decoder\.layers\.\d+\.linear", "{0}.transformer_decoder.feedforward_channels"),
    (r"(\w+_head)\.(pixel_decoder\.(lateral_convs|output_convs|input_proj)|input_proj)", "{0}.in_channels or channels"),
    (r"(\w+_head)\.(pixel_decoder\.mask_features|mask_embed)", "{0}.mask_dim or channels"),
    (r"(\w+_head)\.box_embed", "{0}.predict_boxes"),
    (r"(\w+_head)\.", "{0}.channels"),
]
# The same for tensors that only one of the two has.
MODULES = [
    (r"(\w+_head)\.pixel_decoder\.encoder\.layers", "{0}.pixel_decoder.type or encoder.num_layers"),
    (r"(\w+_head)\.transformer_decoder\.layers", "{0}.transformer_decoder.num_layers"),
    (r"(\w+_head)\.(class_embed|classifier)", "{0}.type"),
    (r"(\w+_head)\.input_proj", "{0}.enforce_input_projection"),
    (r"backbone\.", "backbone.type or depth"),
    *OPTIONS,
]


class _OnMeta(TorchFunctionMode):
    """Makes modules without memory, but for the numbers that mmseg's Swin reads while it is built.

    Args:
        most: number of tensors that may be made.
    """

    def __init__(self, most: float) -> None:
        super().__init__()
        self.most = most

    def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if function is torch.linspace:
            kwargs["device"] = "cpu"
            self.most -= kwargs.get("steps", args[2] if len(args) > 2 else 0)
        self.most -= function is torch.empty
        if self.most < 0:
            raise UserError("the config's model has many more layers than the checkpoint")
        return function(*args, **kwargs)


def meta_model(cfg: Config | Mapping[str, Any], most: float = math.inf) -> nn.Module:
    """Return the config's model without memory.

    Args:
        cfg: the config.
        most: number of tensors that may be made.

    Raises:
        UserError: the model cannot be built, or it has many more tensors.
    """
    cfg = cfg if isinstance(cfg, Config) else Config(dict(cfg))
    scope = DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmseg"))
    try:
        with scope, torch.device("meta"), _OnMeta(most):
            return MODELS.build(cfg.model)
    except (ValueError, RuntimeError, ArithmeticError, AssertionError, IndexError) as error:
        if isinstance(error, UserError):
            raise
        reason = str(error) or type(error).__name__
        raise UserError(f"the config's model cannot be built: {reason}") from error


def shapes_of(model: Config | Mapping[str, Any] | nn.Module) -> dict[str, tuple[int, ...]]:
    """Shape of every weight of a model, or of a config's model.

    Raises:
        UserError: the model cannot be built.
    """
    model = model if isinstance(model, nn.Module) else meta_model(model)
    return {key: tuple(v.shape) for key, v in model.state_dict().items() if not key.endswith(COMPUTED)}


def check_kinds(weights: Mapping[str, Tensor]) -> None:
    """Refuse tensors that have the shape of a weight, and are none.

    Args:
        weights: as a checkpoint has them; put together, tensors of several types would become one type.

    Raises:
        UserError: a weight that is no floating point, or Swin's table of positions with other numbers than Swin's.
    """
    for key, value in weights.items():
        if not key.endswith(COMPUTED) and not value.is_floating_point():
            raise UserError(f"{key} is of {value.dtype}, must be of a floating point type as weights are")
        if key.endswith(POSITIONS):
            table = weights.get(key.replace(POSITIONS, "relative_position_bias_table"))
            window = 0 if table is None or not table.dim() else (round(len(table) ** 0.5) + 1) // 2
            fits = value.shape == (window**2, window**2)
            if not fits or not (value.is_meta or torch.equal(value.long(), relative_position_index(window))):
                raise UserError(f"{key} does not hold the positions in Swin's windows of {window} pixels")


def check_fit(weights: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], whose: str) -> None:
    """Refuse weights that are not exactly the model's.

    Args:
        weights: under our names.
        shapes: of the model.
        whose: the model, for the message.

    Raises:
        UserError: names the first tensors that are too many, missing or of another shape, and the option to change.
    """
    found = {key: tuple(value.shape) for key, value in weights.items() if not key.endswith(COMPUTED)}
    other = [
        f"{key} is {found[key]} in the checkpoint and {shapes[key]} in {whose} (model.{_option(key, OPTIONS)})"
        for key in found
        if key in shapes and shapes[key] != found[key]
    ]
    missing = [f"{key} (model.{_option(key, MODULES)})" for key in shapes if key not in found]
    extra = [f"{key} (model.{_option(key, MODULES)})" for key in found if key not in shapes]
    for problems, what in (
        (extra, f"has no place for {len(extra)} of {len(found)} tensors of the checkpoint"),
        (missing, f"needs {len(missing)} tensors that the checkpoint lacks"),
    ):
        if problems:
            raise UserError(f"{whose} {what}: {listed(problems)}")
    if other:
        raise UserError(f"{len(other)} of {len(found)} tensors have another shape: {listed(other, separator='; ')}")


def _option(key: str, table: list[tuple[str, str]]) -> str:
    for pattern, option in table:
        if match := re.match(pattern, key):
            return option.format(*match.groups())
    return key.split(".")[0]
