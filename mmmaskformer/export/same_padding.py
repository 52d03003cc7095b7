"""timm's convolutions with TensorFlow's "same" padding, which is a constant where sizes are multiples of the stride."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch.nn.functional as F
from timm.layers import Conv2dSame
from torch import Tensor, nn


def same_convolutions(model: nn.Module) -> list[Conv2dSame]:
    """Those of a model."""
    return [module for module in model.modules() if isinstance(module, Conv2dSame)]


@contextmanager
def constant_same_padding(model: nn.Module) -> Iterator[None]:
    """Inside, the convolutions do not look at the size of their input, which must be a multiple of their stride.

    As written, each makes its padding from a rounded quotient of the last one's, and an exporter that follows sizes
    symbolically drowns in these.
    """
    convolutions = same_convolutions(model)
    for convolution in convolutions:
        convolution.forward = partial(_convolve, convolution)
    try:
        yield
    finally:
        for convolution in convolutions:
            del convolution.forward


def _convolve(module: Conv2dSame, x: Tensor) -> Tensor:
    padding: list[int] = []
    for kernel, stride, dilation in zip(module.kernel_size, module.stride, module.dilation):
        total = max((kernel - 1) * dilation + 1 - stride, 0)
        padding = [total // 2, total - total // 2, *padding]  # F.pad wants the last axis first
    x = F.pad(x, padding)
    return F.conv2d(x, module.weight, module.bias, module.stride, 0, module.dilation, module.groups)
