"""Boxes, and matching and learning by them."""

import pytest
import torch
from predictions import CLASSES, LAYERS, QUERIES, predictions, targets
from torchvision.ops import box_convert, generalized_box_iou, masks_to_boxes

from mmmaskformer.core import MaskCriterion, MaskTransformer
from mmmaskformer.core.boxes import BoxLoss, boxes_of_masks, corners, generalized_iou, normalized
from mmmaskformer.core.matching import HungarianAssigner

BY_BOX = [dict(type=f"mmmaskformer.{name}") for name in ("ClassCost", "BoxL1Cost", "GIoUCost")]
BOX_LOSSES = [dict(type="mmmaskformer.BoxL1Loss"), dict(type="mmmaskformer.GIoULoss")]


def boxes(*shape: int) -> torch.Tensor:
    """Normalized boxes inside the image."""
    generator = torch.Generator().manual_seed(0)
    center, side = torch.rand(*shape, 2, generator=generator), torch.rand(*shape, 2, generator=generator)
    return torch.cat([0.3 + 0.4 * center, 0.05 + 0.5 * side], dim=-1)


def boxed():
    """Predictions with a box a query."""
    predicted = predictions()
    predicted.boxes = boxes(LAYERS, 2, QUERIES).requires_grad_()
    return predicted


def test_boxes_of_masks_equal_torchvisions_but_for_the_far_edge():
    masks = torch.rand(20, 9, 13, generator=torch.Generator().manual_seed(0)) > 0.9
    expected = masks_to_boxes(masks)
    expected[:, 2:] += 1  # torchvision's edges are the last pixels
    assert torch.equal(boxes_of_masks(masks), expected)
    assert boxes_of_masks(masks[:0]).shape == (0, 4)
    assert boxes_of_masks(torch.zeros(1, 5, 5, dtype=torch.bool)).tolist() == [[0.0] * 4]


def test_normalized_boxes_and_their_corners_equal_torchvisions():
    pixels = torch.tensor([[2.0, 3.0, 10.0, 9.0], [0.0, 0.0, 48.0, 32.0]])
    expected = box_convert(pixels / torch.tensor([48, 32, 48, 32]), "xyxy", "cxcywh")
    torch.testing.assert_close(normalized(pixels, (32, 48)), expected)
    torch.testing.assert_close(corners(expected), box_convert(expected, "cxcywh", "xyxy"))


def test_generalized_iou_equals_torchvisions():
    ours, theirs = corners(boxes(7)), corners(boxes(12)[5:])
    expected = generalized_box_iou(ours, theirs)
    torch.testing.assert_close(generalized_iou(ours[:, None], theirs), expected)


def test_costs_by_box_are_weighted_and_leave_masks_alone():
    predicted, truth = boxed(), targets()
    found = HungarianAssigner(BY_BOX).cost(predicted, truth)
    start = truth.counts[0]
    for segment in range(truth.counts[1]):
        box = normalized(boxes_of_masks(truth.masks[start + segment][None]), (32, 48))
        for layer in range(LAYERS):
            mine = predicted.boxes[layer, 1]
            overlap = generalized_box_iou(corners(mine), corners(box))[:, 0]
            likely = predicted.class_logits[layer, 1].softmax(-1)[:, truth.labels[start + segment]]
            expected = -likely + 5 * (mine - box).abs().sum(-1) - 2 * overlap
            torch.testing.assert_close(found[layer, 1, :, segment], expected)


def test_box_losses_are_means_over_segments_beside_the_mask_losses():
    predicted, truth = boxed(), targets()
    losses = MaskCriterion(CLASSES, box_losses=BOX_LOSSES)(predicted, truth)
    matching = HungarianAssigner()(predicted, truth)
    images = torch.repeat_interleave(torch.tensor(truth.counts))
    expected = normalized(boxes_of_masks(truth.masks), (32, 48))
    mine = predicted.boxes[0, images, matching[0]]
    torch.testing.assert_close(losses["d0.loss_bbox"], 5 * (mine - expected).abs().sum() / len(truth))
    overlap = generalized_box_iou(corners(mine), corners(expected)).diagonal()
    torch.testing.assert_close(losses["d0.loss_giou"], 2 * (1 - overlap).mean())
    (gradient,) = torch.autograd.grad(sum(losses.values()), predicted.boxes)
    assert gradient.isfinite().all() and gradient.abs().sum() > 0
    plain = MaskCriterion(CLASSES)(predictions(), truth)
    for name, value in plain.items():
        torch.testing.assert_close(losses[name], value)


@pytest.mark.parametrize(("predict", "learn"), [(True, False), (False, True)])
def test_boxes_predicted_but_not_learned_or_the_reverse_are_refused(predict, learn):
    predicted = boxed() if predict else predictions()
    with pytest.raises(ValueError, match="set predict_boxes in the head and box_losses"):
        MaskCriterion(CLASSES, box_losses=BOX_LOSSES if learn else ())(predicted, targets())


def test_matching_by_box_without_boxes_is_refused():
    with pytest.raises(ValueError, match="BoxL1Cost, GIoUCost: the model predicts no boxes; set predict_boxes=True"):
        HungarianAssigner(BY_BOX)(predictions(), targets())


def test_a_loss_that_would_not_be_trained_is_refused():
    with pytest.raises(ValueError, match="loss_name='l1' must contain 'loss'"):
        BoxLoss(1.0, "l1")


def test_the_box_head_gives_each_query_of_each_layer_a_box_inside_the_image():
    small = dict(num_layers=2, num_heads=2, feedforward_channels=8)
    model = MaskTransformer(
        [4, 8], 3, num_queries=5, channels=8, predict_boxes=True,
        pixel_decoder=dict(norm_groups=2), transformer_decoder=small,
    )  # fmt: skip
    predicted = model([torch.randn(2, 4, 8, 8), torch.randn(2, 8, 4, 4)])
    assert predicted.boxes.shape == (2, 2, 5, 4)
    assert ((predicted.boxes > 0) & (predicted.boxes < 1)).all()
    assert torch.equal(predicted.last_layer().boxes, predicted.boxes[-1:])
