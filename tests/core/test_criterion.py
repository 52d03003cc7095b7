"""Eq. 1, deep supervision and the normalizers."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import DefaultScope
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


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"ClassCost": 1, "FocalCost": 20, "DiceCost": 1}),
        (
            dict(mask_losses=[dict(type="FocalLoss", loss_weight=7, alpha=0.5, gamma=1), dict(type="DiceLoss", eps=2)]),
            {"ClassCost": 1, "FocalCost": (7, 0.5, 1), "DiceCost": (1, 2)},
        ),
        (dict(class_loss=dict(loss_weight=2)), {"ClassCost": 1, "FocalCost": 20, "DiceCost": 1}),
        (dict(mask_losses=[dict(type="DiceLoss", loss_weight=5)]), {"ClassCost": 1, "DiceCost": 5}),
        (
            dict(assigner=dict(type="HungarianAssigner", costs=[dict(type="ClassCost"), dict(type="FocalCost")])),
            {"ClassCost": 1, "FocalCost": 20},
        ),
    ],
)
def test_costs_of_the_matching_have_the_weights_of_the_mask_losses_unless_they_are_given(options, expected):
    with DefaultScope.overwrite_default_scope("mmmaskformer"):
        assigner = MaskCriterion(CLASSES, **options).assigner
    found = {type(cost).__name__: tuple(vars(cost).values()) for cost in assigner.class_costs + assigner.mask_costs}
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        values = values if isinstance(values, tuple) else (values,)
        assert found[name][: len(values)] == values, name


def overfull() -> tuple[MaskPredictions, SegmentTargets]:
    """Two images for four queries: one with seven segments, one with three."""
    generator = torch.Generator().manual_seed(5)
    labels = [torch.randint(CLASSES, (count,), generator=generator) for count in (7, 3)]
    masks = [torch.rand(count, 32, 48, generator=generator) > 0.5 for count in (7, 3)]
    return predictions(queries=4), SegmentTargets.from_segments(labels, masks)


def test_losses_and_gradients_with_more_segments_than_queries_are_hugging_faces():
    module = pytest.importorskip("transformers.models.maskformer.modeling_maskformer")
    theirs = module.MaskFormerLoss(CLASSES, module.MaskFormerHungarianMatcher(1.0, 20.0, 1.0), {}, eos_coef=0.1)
    predicted, truth = overfull()
    losses = MaskCriterion(CLASSES)(predicted, truth)
    labels = list(truth.labels.split(truth.counts))
    masks = [mask.float() for mask in truth.masks.split(truth.counts)]
    names = {"loss_cls": ("loss_cross_entropy", 1), "loss_mask": ("loss_mask", 20), "loss_dice": ("loss_dice", 1)}
    for layer in range(LAYERS):
        expected = theirs(predicted.mask_logits(layer), predicted.class_logits[layer], masks, labels)
        prefix = "" if layer == LAYERS - 1 else f"d{layer}."
        for name, (their_name, weight) in names.items():
            torch.testing.assert_close(losses[prefix + name], weight * expected[their_name], msg=prefix + name)
            ours_and_theirs = (
                torch.autograd.grad(loss, leaves(predicted), retain_graph=True, allow_unused=True)
                for loss in (losses[prefix + name], weight * expected[their_name])
            )
            for ours, other in zip(*ours_and_theirs):
                if other is None:
                    assert ours is None or not ours.any()
                else:
                    torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("box_losses", [[], [dict(type="mmmaskformer.BoxL1Loss")]], ids=["masks", "boxes too"])
def test_segments_without_a_query_train_none_and_count_in_the_mean(box_losses):
    class Assigner:
        def __call__(self, predictions, targets):
            return torch.tensor([[0, -1, 1]] * LAYERS)

    predicted = predictions(batch=1, queries=4)
    if box_losses:
        predicted.boxes = torch.rand(LAYERS, 1, 4, 4, requires_grad=True)
    labels, masks = torch.tensor([2, 3, 4]), torch.rand(3, 32, 48) > 0.5
    criterion = MaskCriterion(CLASSES, box_losses=box_losses)
    criterion.assigner = Assigner()
    losses = criterion(predicted, SegmentTargets.from_segments([labels], [masks]))
    kept = SegmentTargets.from_segments([labels[[0, 2]]], [masks[[0, 2]]])
    criterion.assigner = lambda predictions, targets: torch.tensor([[0, 1]] * LAYERS)
    expected = criterion(predicted, kept)
    for name, value in losses.items():
        torch.testing.assert_close(value, expected[name] * (1 if "cls" in name else 2 / 3), msg=name)
    learned = sum(value for name, value in losses.items() if "cls" not in name)
    for query_wise in [predicted.mask_embeds, *([predicted.boxes] if box_losses else [])]:
        (gradient,) = torch.autograd.grad(learned, query_wise, retain_graph=True)
        assert gradient[:, :, :2].abs().sum((0, 1, 3)).gt(0).all() and not gradient[:, :, 2:].any()
    # Neither the last query nor another one is given the class of the segment without one.
    (gradient,) = torch.autograd.grad(losses["loss_cls"], predicted.class_logits)
    assert gradient[-1, 0, 3].argmin() == CLASSES and gradient[-1, 0, 3, :CLASSES].gt(0).all()
