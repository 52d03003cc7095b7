"""Which precision arithmetic is done in where a model, or autocast, has a low one."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn


def at_least_float32(x: Tensor) -> Tensor:
    """Return a half or bfloat16 tensor in float32; float32 and float64 as they are.

    Costs, losses and scores are computed in this precision. Products of 256 terms leave float16's range, and
    bfloat16's 8 bits cannot tell the scores of two likely classes apart.

    Args:
        x: of a floating-point type.
    """
    dtype = torch.promote_types(x.dtype, torch.float32)
    return x if x.dtype == dtype else x.to(dtype)


def without_autocast(x: Tensor) -> AbstractContextManager:
    """Context in which operations on the device of ``x`` keep the precision of their inputs."""
    device = x.device.type
    # Entered only where there is something to switch off: exporters would record the context.
    if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)


def in_precision_of(module: nn.Module, images: Tensor) -> Tensor:
    """Images in the precision of a module's weights: data preprocessors give float32, whatever the model is.

    Args:
        module: the first one that sees the images.
        images: of a floating-point type.

    Returns:
        The images themselves where the module has no floating-point weights, or weights of their precision.
    """
    weight = next((weight for weight in module.parameters() if weight.is_floating_point()), images)
    return images if images.dtype == weight.dtype else images.to(weight.dtype)
