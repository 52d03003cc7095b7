"""What one call of the inferencer changes: kinds of output, and the threshold of segments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from mmmaskformer.apis.outputs import OUTPUTS, outputs_of
from mmmaskformer.errors import UserError


def test_head(model: nn.Module) -> nn.Module | None:
    """Return the part of a panoptic model whose ``test_cfg`` says what is predicted; None for a semantic model."""
    return getattr(model, "panoptic_fusion_head", None) or getattr(model, "panoptic_head", None)


def call_options(model: nn.Module, outputs: Sequence[str] | None, threshold: float | None) -> dict[str, Any]:
    """Return the changes of ``test_cfg`` for a call.

    Raises:
        UserError: the model does not have the outputs or has no threshold, or the threshold is not in 0..1.
    """
    options: dict[str, Any] = {}
    if outputs is not None:
        names = outputs_of(outputs, has_segments=test_head(model) is not None, has_labels=not is_mmdets(model))
        if test_head(model) is not None:
            options.update({f"{name}_on": name in names for name in OUTPUTS})
    if threshold is not None:
        if not 0 <= threshold <= 1:
            raise UserError(f"threshold={threshold} must lie between 0 and 1")
        if test_head(model) is None:
            raise UserError("threshold: a semantic model has no segments with scores; use the class scores")
        options["object_mask_thr"] = threshold
    return options


def is_mmdets(model: nn.Module) -> bool:
    """Whether a model is mmdet's own MaskFormer, which has no semantic output."""
    return getattr(model, "panoptic_fusion_head", None) is not None


@contextmanager
def changed_test_cfg(model: nn.Module, options: Mapping[str, Any]) -> Iterator[None]:
    """Change the options of a panoptic model's ``test_cfg`` in the block."""
    head = test_head(model)
    if not options or head is None:
        yield
        return
    before = head.test_cfg
    head.test_cfg = {**before, **options}
    try:
        yield
    finally:
        head.test_cfg = before
