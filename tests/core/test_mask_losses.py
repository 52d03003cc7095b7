"""Focal and dice at full resolution, chunked and folded, against their plain definitions and autograd."""

import pytest
import torch
import torch.nn.functional as F

from mmmaskformer.core import DiceLoss, FocalLoss, MaskLoss
from mmmaskformer.core import mask_losses as module
from mmmaskformer.core.mask_losses import mask_losses

LAYERS, SEGMENTS = 3, 4


def plain(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Weighted focal and dice (2, M, L) by definition, differentiable by autograd."""
    x = F.interpolate(logits, size=masks.shape[-2:], mode="bilinear", align_corners=False).flatten(2)
    t = masks.flatten(1)[:, None].float().expand_as(x)
    p = x.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    wrong = p * (1 - t) + (1 - p) * t
    focal = ((0.25 * t + 0.75 * (1 - t)) * wrong**2 * entropy).mean(-1)
    dice = 1 - (2 * (p * t).sum(-1) + 1) / (p.sum(-1) + t.sum(-1) + 1)
    return torch.stack([20 * focal, dice])


@pytest.fixture(params=[(8, 12), (7, 5)], ids=["multiple of the size", "odd size"])
def case(request):
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(SEGMENTS, LAYERS, *request.param, generator=generator)
    return logits.requires_grad_(), torch.rand(SEGMENTS, 32, 48, generator=generator) > 0.6


@pytest.mark.parametrize("pixels_a_chunk", [1, 32 * 48 * 2, 32 * 48 * 7, 1 << 30])
def test_values_and_gradients_equal_autograds_whatever_the_chunk(case, pixels_a_chunk, monkeypatch):
    monkeypatch.setattr(module, "rows_per_chunk", lambda device, pixels: max(1, pixels_a_chunk // pixels))
    logits, masks = case
    values = mask_losses(logits, masks, [FocalLoss(), DiceLoss()])
    expected = plain(logits, masks)
    torch.testing.assert_close(values, expected, atol=1e-6, rtol=1e-5)
    (ours,) = torch.autograd.grad(values.sum(), logits)
    (theirs,) = torch.autograd.grad(expected.sum(), logits)
    torch.testing.assert_close(ours, theirs, atol=1e-7, rtol=1e-4)


def test_gradients_are_right_when_the_losses_are_weighted_apart(case):
    logits, masks = case
    weights = torch.rand(2, SEGMENTS, LAYERS, generator=torch.Generator().manual_seed(2))
    (ours,) = torch.autograd.grad((mask_losses(logits, masks, [FocalLoss(), DiceLoss()]) * weights).sum(), logits)
    (theirs,) = torch.autograd.grad((plain(logits, masks) * weights).sum(), logits)
    torch.testing.assert_close(ours, theirs, atol=1e-7, rtol=1e-4)


def test_focal_with_another_alpha_and_gamma_equals_autograd(case):
    class PlainFocal(MaskLoss):
        def forward(self, logits, targets):
            p, targets = logits.sigmoid(), targets.expand_as(logits)
            wrong = p * (1 - targets) + (1 - p) * targets
            entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
            return ((0.4 * targets + 0.6 * (1 - targets)) * wrong**1.5 * entropy).mean(-1)

    logits, masks = case
    ours = mask_losses(logits, masks, [FocalLoss(loss_weight=3, alpha=0.4, gamma=1.5)])
    theirs = mask_losses(logits, masks, [PlainFocal(loss_weight=3, loss_name="loss_plain")])
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    gradients = [torch.autograd.grad(values.sum(), logits)[0] for values in (ours, theirs)]
    torch.testing.assert_close(*gradients, atol=1e-7, rtol=1e-4)


def test_what_losses_share_stays_as_it_is_whichever_comes_first(case):
    class MeanProbability(MaskLoss):
        """Its derivative is a map that other losses read, too."""

        def value_and_slope(self, pixels, with_slope):
            return pixels.logits.sigmoid().sum(-1), pixels.variance

    logits, masks = case
    losses = [MeanProbability(loss_weight=3.0, loss_name="loss_mean"), DiceLoss(loss_weight=5.0)]
    first, second = (
        torch.autograd.grad(mask_losses(logits, masks, order).sum(), logits)[0] for order in (losses, losses[::-1])
    )
    torch.testing.assert_close(first, second)


def test_no_segments_give_no_values_but_a_gradient_of_zero():
    logits = torch.zeros(0, LAYERS, 8, 12, requires_grad=True)
    values = mask_losses(logits, torch.zeros(0, 32, 48, dtype=torch.bool), [FocalLoss(), DiceLoss()])
    assert values.shape == (2, 0, LAYERS)
    values.sum().backward()
    assert logits.grad.shape == logits.shape


def test_no_gradient_is_made_for_logits_that_want_none(case):
    logits, masks = case
    values = mask_losses(logits.detach(), masks, [FocalLoss()])
    assert not values.requires_grad


def test_a_loss_whose_name_would_not_be_trained_is_refused():
    with pytest.raises(ValueError, match="loss_name='dice' must contain 'loss'"):
        DiceLoss(loss_name="dice")
