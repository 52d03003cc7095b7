"""Small pieces of arithmetic that costs, losses and inference share."""

from __future__ import annotations

import torch
from torch import Tensor


def elements_per_chunk(device: torch.device) -> int:
    """How many elements a temporary may have: about the cache on a CPU, enough to fill the device elsewhere."""
    return 1 << 18 if device.type == "cpu" else 1 << 25


def power(x: Tensor, exponent: float) -> Tensor:
    """``x ** exponent`` in a new tensor; the paper's exponent is 2, which needs no ``pow``."""
    return x * x if exponent == 2 else x**exponent


def binary_cross_entropy_terms(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Probability ``sigmoid(x)`` and ``softplus(x) = -log(1 - sigmoid(x))``, the cross-entropy for target 0.

    For target 1 it is ``softplus(x) - x``. Written as ``max(x, 0) - log(max(p, 1-p))``: the logarithm's argument stays
    in [0.5, 1], where the vectorised logarithm is several times faster than ``log1p``, and the absolute error is that
    of fp32 near 1.
    """
    probability = logits.sigmoid()
    entropy = (1 - probability).maximum(probability).log_().neg_()
    return probability, entropy.add_(logits.clamp(min=0))


def bilinear_matrix(size: int, new_size: int, device: torch.device | None = None) -> Tensor:
    """Bilinear resizing of one axis as a matrix (new_size, size): half-pixel centres (``align_corners=False``).

    ``rows @ image @ columns.T`` is ``F.interpolate(image, mode="bilinear")``; the transpose is its gradient, which as
    two matrix products is several times faster on a CPU than torch's own, and deterministic on a GPU.
    """
    position = ((torch.arange(new_size, device=device, dtype=torch.float64) + 0.5) * size / new_size - 0.5).clamp(min=0)
    lower = position.long().clamp(max=size - 1)
    upper = (lower + 1).clamp(max=size - 1)
    fraction = position - lower
    matrix = torch.zeros(new_size, size, device=device, dtype=torch.float64)
    matrix.scatter_add_(1, lower[:, None], 1 - fraction[:, None])
    matrix.scatter_add_(1, upper[:, None], fraction[:, None])
    return matrix.float()
