"""Mask losses at full resolution that never keep full resolution (Sec. 3.3, Sec. 4.1 "Loss weights").

The matched masks are upsampled to the input size, as in DETR and the reference release, and compared with the ground
truth there. What would be kept for the backward pass, several H x W maps a mask and layer, is not: a chunk of masks is
upsampled, compared, and its slope (the derivative by the upsampled logits) is folded back to h x w at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmmaskformer.pixels import size_of
from mmmaskformer.precision import at_least_float32, without_autocast
from mmmaskformer.registry import MODELS

from .losses import WeightedLoss
from .numerics import BilinearAdjoint, binary_cross_entropy_terms, power, rows_per_chunk


class MaskPixels:
    """Masks of one chunk at full resolution and what the losses share of them.

    Attributes:
        logits: (m, l, P) upsampled mask logits x of m segments at l decoder layers.
        targets: (m, 1, P) float, 0 or 1.
        error: (m, l, P) probability given to the wrong side, ``sigmoid(x)`` off target and ``sigmoid(-x)`` on it.
        entropy: (m, l, P) binary cross-entropy, ``-log(1 - error)``.
        variance: (m, l, P) ``sigmoid(x) * sigmoid(-x)``, the slope of the probability.
    """

    def __init__(self, logits: Tensor, targets: Tensor) -> None:
        self.logits = logits
        self.targets = targets
        self.error, self.entropy = binary_cross_entropy_terms(torch.addcmul(logits, logits, targets, value=-2))
        self.variance = torch.addcmul(self.error, self.error, self.error, value=-1)

    def sum_on_target(self, x: Tensor) -> Tensor:
        """Sum (m, l) of x (m, l, P) over each segment's pixels."""
        return x.matmul(self.targets.mT).squeeze(-1)


class MaskLoss(WeightedLoss):
    """A loss between mask logits and binary masks.

    A subclass says what it is in ``forward``; one that also knows its derivative overrides ``value_and_slope``, which
    spares autograd the full-resolution temporaries. One that counts in the matching overrides ``matching_cost``.
    """

    def matching_cost(self) -> dict | None:
        """Config of the cost that stands for this loss in the matching, with its weight; None for none."""
        return None

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Unweighted loss (m, l) of mask logits (m, l, P) against targets (m, 1, P), floats 0 or 1."""
        raise NotImplementedError

    def value_and_slope(self, pixels: MaskPixels, with_slope: bool) -> tuple[Tensor, Tensor | None]:
        """Unweighted loss (m, l) and its derivative by the logits (m, l, P), None unless asked for."""
        with torch.set_grad_enabled(with_slope):
            logits = pixels.logits.detach().requires_grad_(with_slope)
            value = self(logits, pixels.targets)
            slope = torch.autograd.grad(value.sum(), logits)[0] if with_slope else None
        return value.detach(), slope


@MODELS.register_module()
class FocalLoss(MaskLoss):
    """Binary focal loss, a mean over the pixels of a mask."""

    def __init__(
        self, loss_weight: float = 20.0, alpha: float = 0.25, gamma: float = 2.0, loss_name: str = "loss_mask"
    ) -> None:
        super().__init__(loss_weight, loss_name)
        self.alpha = alpha
        self.gamma = gamma

    def matching_cost(self) -> dict:
        return dict(type="mmmaskformer.FocalCost", weight=self.loss_weight, alpha=self.alpha, gamma=self.gamma)

    def value_and_slope(self, pixels: MaskPixels, with_slope: bool) -> tuple[Tensor, Tensor | None]:
        size = pixels.logits.shape[-1]
        modulation = power(pixels.error, self.gamma)
        loss = modulation * pixels.entropy
        on_target = pixels.sum_on_target(loss)
        value = (loss.sum(-1) * (1 - self.alpha) + on_target * (2 * self.alpha - 1)) / size
        if not with_slope:
            return value, None
        # d(error^g * entropy)/d(margin) = error^g (g (1-error) entropy + error); the margin is x or -x, and alpha's
        # weight with that sign is (1-alpha) - target.
        slope = torch.addcmul(pixels.entropy, pixels.entropy, pixels.error, value=-1, out=loss)
        slope.mul_(self.gamma).add_(pixels.error).mul_(modulation)
        return value, slope.mul_(((1 - self.alpha) - pixels.targets) / size)


@MODELS.register_module()
class DiceLoss(MaskLoss):
    """Dice loss of a mask, smoothed by ``eps``, with plain (not squared) probabilities in the denominator."""

    def __init__(self, loss_weight: float = 1.0, eps: float = 1.0, loss_name: str = "loss_dice") -> None:
        super().__init__(loss_weight, loss_name)
        self.eps = eps

    def matching_cost(self) -> dict:
        return dict(type="mmmaskformer.DiceCost", weight=self.loss_weight, eps=self.eps)

    def value_and_slope(self, pixels: MaskPixels, with_slope: bool) -> tuple[Tensor, Tensor | None]:
        area = pixels.targets.sum(-1)
        error_on_target = pixels.sum_on_target(pixels.error)
        overlap = area - error_on_target
        probability = pixels.error.sum(-1) + area - 2 * error_on_target
        numerator, denominator = 2 * overlap + self.eps, probability + area + self.eps
        value = 1 - numerator / denominator
        if not with_slope:
            return value, None
        slope = pixels.targets * (-2 / denominator)[..., None]
        return value, slope.add_((numerator / denominator**2)[..., None]).mul_(pixels.variance)


def mask_losses(
    mask_logits: Tensor, masks: Tensor, losses: Sequence[MaskLoss], segments: Tensor | None = None
) -> Tensor:
    """Weighted losses of matched masks against their segments at full resolution, in fp32 at least.

    Args:
        mask_logits: (M, L, h, w) the mask logits matched with each of M segments, at each of L layers.
        masks: (N, H, W) bool, the segments.
        losses: the mask losses.
        segments: (M,) which of ``masks`` each of the M is; by default M = N and they are in the same order.

    Returns:
        (len(losses), M, L), differentiable by ``mask_logits``.
    """
    return _UpsampledMaskLosses.apply(at_least_float32(mask_logits), masks, tuple(losses), segments)


class _UpsampledMaskLosses(torch.autograd.Function):
    """Chunked values; gradients with one bilinear adjoint a mask, of the weighted sum of all losses' slopes."""

    @staticmethod
    def forward(
        ctx, mask_logits: Tensor, masks: Tensor, losses: tuple[MaskLoss, ...], segments: Tensor | None
    ) -> Tensor:
        ctx.losses = losses
        # On a CPU the gradient for equal upstream gradients, which is what a summed loss has, is made on the way:
        # upsampling again in backward would cost more than keeping h x w. On a GPU comparing the upstream gradients
        # would stall the host, and doing it again is cheap.
        eager = ctx.needs_input_grad[0] and mask_logits.device.type == "cpu"
        upstream = mask_logits.new_ones(len(losses), *mask_logits.shape[:2]) if eager else None
        with without_autocast(mask_logits):
            values, gradient = _evaluate(mask_logits, masks, losses, segments, upstream)
        ctx.save_for_backward(mask_logits, masks, segments, gradient)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor):
        mask_logits, masks, segments, gradient = ctx.saved_tensors
        if gradient is not None and all(torch.equal(upstream[0], other) for other in upstream[1:]):
            gradient = gradient * upstream[0][..., None, None]
        else:
            with without_autocast(mask_logits):
                _, gradient = _evaluate(mask_logits, masks, ctx.losses, segments, upstream)
        return gradient, None, None, None


def _evaluate(
    mask_logits: Tensor,
    masks: Tensor,
    losses: tuple[MaskLoss, ...],
    segments: Tensor | None,
    upstream: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """Values (len(losses), M, L) and, given upstream gradients of that shape, the gradient (M, L, h, w)."""
    count, layers = mask_logits.shape[:2]
    size = size_of(masks)
    values = mask_logits.new_empty(len(losses), count, layers)
    gradient = None if upstream is None else torch.empty_like(mask_logits)
    adjoint = None
    if upstream is not None:
        adjoint = BilinearAdjoint(size_of(mask_logits), size, mask_logits.device, mask_logits.dtype)
    rows = rows_per_chunk(mask_logits.device, size[0] * size[1])
    layer_step, segment_step = min(rows, layers), max(1, rows // layers)
    for start in range(0, count, segment_step):
        chunk = slice(start, start + segment_step)
        targets = masks[chunk if segments is None else segments[chunk]].flatten(1)[:, None].to(mask_logits.dtype)
        for layer in range(0, layers, layer_step):
            part = (chunk, slice(layer, layer + layer_step))
            small = mask_logits[part]
            upsampled = F.interpolate(small, size=size, mode="bilinear", align_corners=False)
            pixels = MaskPixels(upsampled.flatten(2), targets)
            total = None
            for index, loss in enumerate(losses):
                value, slope = loss.value_and_slope(pixels, upstream is not None)
                values[index][part] = value * loss.loss_weight
                if slope is not None and upstream is not None:
                    # Not in place: a slope may be a map that the losses share.
                    factor = (upstream[index][part] * loss.loss_weight)[..., None]
                    total = slope * factor if total is None else total.addcmul_(slope, factor)
            if total is not None and gradient is not None and adjoint is not None:
                gradient[part] = adjoint(total.view(-1, *size)).view(small.shape)
    return values, gradient
