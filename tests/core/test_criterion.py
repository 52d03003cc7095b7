"""Eq. 1, deep supervision and the normalisers."""

import pytest
import torch
import torch.nn.functional as F
from predictions import CLASSES, LAYERS, leaves, predictions, targets

from mmmaskformer.core import ClassificationLoss, MaskCriterion, MaskLoss
from mmmaskformer.registry import MODELS
from mmmaskformer.structures import MaskPredictions, SegmentTargets


def total(losses: dict[str, torch.Tensor]) -> torch.Tensor:
    return sum(losses.values())


def test_every_layer_has_its_losses_under_mmdets_names():
    losses = MaskCriterion(CLASSES)(predictions(), targets())
    names = [prefix + name for prefix in ("", "d1.", "d0.") for name in ("loss_cls", "loss_mask", "loss_dice")]
    assert list(losses) == names


def test_without_deep_supervision_the_last_layer_alone_is_trained():
    predicted, truth = predictions(), targets()
    last = MaskCriterion(CLASSES, deep_supervision=False)(predicted, truth)
    deep = MaskCriterion(CLASSES)(predicted, truth)
    assert list(last) == ["loss_cls", "loss_mask", "loss_dice"]
    for name, value in last.items():
        torch.testing.assert_close(value, deep[name])


def test_class_loss_is_the_weighted_mean_with_no_object_weighted_down():
    logits, labels = torch.randn(LAYERS, 2, 5, CLASSES + 1), torch.randint(0, CLASSES + 1, (LAYERS, 2, 5))
    weights = torch.tensor([1.0] * CLASSES + [0.1])
    expected = [F.cross_entropy(x.flatten(0, 1), y.flatten(), weight=weights) for x, y in zip(logits, labels)]
    torch.testing.assert_close(ClassificationLoss(CLASSES)(logits, labels), torch.stack(expected))


def test_class_weights_that_do_not_fit_the_classes_are_refused():
    with pytest.raises(ValueError, match="3 class weights for 6 classes"):
        ClassificationLoss(CLASSES, class_weight=[1, 2, 3])


def test_a_batch_without_segments_trains_no_object_and_keeps_every_tensor_in_the_graph():
    predicted = predictions()
    void = SegmentTargets.from_semantic_maps(torch.full((2, 32, 48), 255), CLASSES, 255)
    losses = MaskCriterion(CLASSES)(predicted, void)
    assert losses["loss_mask"] == 0 and losses["loss_dice"] == 0 and losses["loss_cls"] > 0
    gradients = torch.autograd.grad(total(losses), leaves(predicted))
    assert gradients[0].abs().sum() > 0
    assert all(gradient.abs().sum() == 0 for gradient in gradients[1:])


def test_one_image_without_segments_beside_one_with_some_is_handled():
    maps = torch.full((2, 32, 48), 255)
    maps[1, :16] = 3
    losses = MaskCriterion(CLASSES)(predictions(), SegmentTargets.from_semantic_maps(maps, CLASSES, 255))
    assert all(value.isfinite() for value in losses.values())


def test_unmatched_queries_masks_get_no_gradient():
    predicted, truth = predictions(), targets()
    criterion = MaskCriterion(CLASSES)
    matching = criterion.assigner(predicted, truth)
    losses = criterion(predicted, truth)
    (gradient,) = torch.autograd.grad(losses["loss_mask"] + losses["loss_dice"], predicted.mask_embeds)
    touched = set(gradient[-1, 0].abs().sum(-1).nonzero().flatten().tolist())
    assert touched == set(matching[-1, : truth.counts[0]].tolist())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_predictions_inside_autocast_give_finite_fp32_losses(dtype):
    full = predictions()
    low = MaskPredictions.from_embeddings(*(x.detach().to(dtype).requires_grad_() for x in leaves(full)))
    with torch.autocast("cpu", dtype=dtype):
        losses = MaskCriterion(CLASSES)(low, targets())
    reference = MaskCriterion(CLASSES)(full, targets())
    assert all(value.dtype == torch.float32 for value in losses.values())
    torch.testing.assert_close(total(losses), total(reference), rtol=0.02, atol=0.0)
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(total(losses), leaves(low)))


def test_assigner_and_losses_can_be_swapped_by_config():
    @MODELS.register_module(name="MeanMask", force=True)
    class MeanMask(MaskLoss):
        def __init__(self):
            super().__init__(loss_weight=2.0, loss_name="loss_mean")

        def forward(self, logits, targets):
            return (logits.sigmoid() * (1 - targets)).mean(-1)

    criterion = MODELS.build(
        dict(
            type="mmmaskformer.MaskCriterion",
            num_classes=CLASSES,
            assigner=dict(type="mmmaskformer.FixedAssigner"),
            class_loss=dict(no_object_weight=0.3, loss_weight=2.0),
            mask_losses=[dict(type="mmmaskformer.MeanMask"), dict(type="mmmaskformer.DiceLoss", loss_weight=5.0)],
        )
    )
    predicted = predictions(queries=CLASSES)
    losses = criterion(predicted, targets())
    assert {"loss_mean", "loss_dice"} < set(losses) and "loss_mask" not in losses
    (gradient,) = torch.autograd.grad(losses["loss_mean"], predicted.pixel_embeds)
    assert gradient.abs().sum() > 0
