"""Small pieces of arithmetic that costs, losses and inference share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def rows_per_chunk(device: torch.device, row_elements: int) -> int:
    """How many rows a temporary may have: about a core's cache on a CPU, enough to fill the device elsewhere."""
    return max(1, (1 << 18 if device.type == "cpu" else 1 << 25) // row_elements)


def power(x: Tensor, exponent: float) -> Tensor:
    """``x ** exponent`` in a new tensor; the paper's exponent is 2, which needs no ``pow``."""
    return x * x if exponent == 2 else x**exponent


def binary_cross_entropy_terms(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Probability ``sigmoid(x)`` and ``softplus(x) = -log(1 - sigmoid(x))``, the cross-entropy for target 0.

    For target 1 it is ``softplus(x) - x``. Written as ``max(x, 0) - log(max(p, 1-p))``: the logarithm's argument stays
    in [0.5, 1], where the vectorized logarithm is several times faster than ``log1p``, and the absolute error is that
    of fp32 near 1.
    """
    probability = logits.sigmoid()
    entropy = (1 - probability).maximum(probability).log_().neg_()
    return probability, entropy.add_(logits.clamp(min=0))


def linear_of_pixels(pixels: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear`` (B, P, C') of a map's pixels (B, P, C).

    On a CPU as a 1x1 convolution, which takes a half to all of the time of the matrix product, by kind of CPU.
    """
    if pixels.device.type != "cpu":
        return F.linear(pixels, weight, bias)
    # All pixels in one row with channels last. Nothing is copied where the map has channels last too.
    row = pixels.contiguous().reshape(1, 1, -1, pixels.shape[-1]).permute(0, 3, 1, 2)
    return F.conv2d(row, weight[:, :, None, None], bias).permute(0, 2, 3, 1).reshape(*pixels.shape[:2], -1)


def bilinear_taps(size: int, new_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Bilinear resizing of one axis (half-pixel centers, ``align_corners=False``): output i is a mean of two inputs.

    Returns:
        lower and upper (new_size,) int64 input indices, and fraction (new_size,) float64, the weight of the upper.
    """
    position = ((torch.arange(new_size, dtype=torch.float64) + 0.5) * size / new_size - 0.5).clamp(min=0)
    lower = position.long().clamp(max=size - 1)
    return lower, (lower + 1).clamp(max=size - 1), position - lower


class BilinearAdjoint:
    """Transpose of bilinear upsampling: the gradient of ``F.interpolate`` as matrix products.

    Several times faster on a CPU than torch's own, and deterministic on a GPU. Rows are folded in blocks, since a block
    of outputs reads few inputs; columns, by then a fourth of the pixels, by one dense matrix.

    Args:
        size: (h, w) of the input of the upsampling.
        new_size: (H, W) of its output.
        device: of the gradients.
        dtype: of the gradients.
    """

    def __init__(
        self,
        size: tuple[int, int],
        new_size: tuple[int, int],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        lower, upper, fraction = bilinear_taps(size[1], new_size[1])
        columns = torch.zeros(new_size[1], size[1], dtype=torch.float64)
        columns.scatter_add_(1, lower[:, None], 1 - fraction[:, None])
        columns.scatter_add_(1, upper[:, None], fraction[:, None])
        self.columns = columns.to(dtype).to(device)

        lower, upper, fraction = bilinear_taps(size[0], new_size[0])
        block = 32 if new_size[0] % 32 == 0 else new_size[0]
        lower, upper, fraction = (x.view(-1, block) for x in (lower, upper, fraction))
        first = lower[:, :1]
        reach = int((upper - first).max()) + 1
        rows = torch.zeros(len(lower), block, reach, dtype=torch.float64)
        rows.scatter_add_(2, (lower - first)[..., None], (1 - fraction)[..., None])
        rows.scatter_add_(2, (upper - first)[..., None], fraction[..., None])
        self.rows = rows.mT.to(dtype).contiguous().to(device)
        # Blocks that reach past the last row do so with weight 0.
        self.targets = (first + torch.arange(reach)).clamp(max=size[0] - 1).flatten().to(device)
        self.height = size[0]

    def __call__(self, slope: Tensor) -> Tensor:
        """(m, H, W) -> (m, h, w)."""
        count, _, width = slope.shape
        blocks, reach, block = self.rows.shape
        folded = self.rows.matmul(slope.view(count, blocks, block, width)).view(count, blocks * reach, width)
        rows = slope.new_zeros(count, self.height, width).index_add_(1, self.targets, folded)
        return rows @ self.columns
