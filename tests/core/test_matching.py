"""Which query answers for which segment."""

from itertools import permutations

import pytest
import torch
import torch.nn.functional as F
from predictions import CLASSES, LAYERS, predictions, targets

from mmmaskformer.core.matching import FixedAssigner, HungarianAssigner
from mmmaskformer.registry import TASK_UTILS
from mmmaskformer.structures import MaskPredictions, SegmentTargets


def plain_cost(logits: torch.Tensor, probabilities: torch.Tensor, labels: torch.Tensor, masks: torch.Tensor):
    """The paper's costs of one layer and image, written out pair by pair."""
    cost = torch.zeros(len(logits), len(labels))
    for query, x in enumerate(logits):
        p = x.sigmoid()
        for segment, (label, t) in enumerate(zip(labels, masks)):
            entropy = F.binary_cross_entropy_with_logits(x, t, reduction="none")
            wrong = p * (1 - t) + (1 - p) * t
            focal = ((0.25 * t + 0.75 * (1 - t)) * wrong**2 * entropy).mean()
            dice = 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
            cost[query, segment] = -probabilities[query, label] + 20 * focal + dice
    return cost


def test_costs_of_all_layers_and_images_equal_the_definition():
    predicted, truth = predictions(), targets()
    cost = HungarianAssigner().cost(predicted, truth)
    small = F.interpolate(truth.masks[None].float(), size=(8, 12), mode="nearest")[0].flatten(1)
    for layer in range(LAYERS):
        start = 0
        for image, count in enumerate(truth.counts):
            segments = slice(start, start + count)
            expected = plain_cost(
                predicted.mask_logits(layer)[image].flatten(1),
                predicted.class_logits[layer, image].softmax(-1),
                truth.labels[segments],
                small[segments],
            )
            torch.testing.assert_close(cost[layer, image, :, :count], expected.detach(), atol=2e-5, rtol=1e-5)
            start += count


def test_matching_is_the_cheapest_assignment():
    predicted = predictions(batch=1, queries=5)
    truth = SegmentTargets.from_segments([torch.tensor([0, 3, 3])], [torch.rand(3, 32, 48) > 0.5])
    assigner = HungarianAssigner()
    cost = assigner.cost(predicted, truth)[0, 0]
    best = min(permutations(range(5), 3), key=lambda queries: sum(cost[q, s] for s, q in enumerate(queries)))
    assert assigner(predicted, truth)[0].tolist() == list(best)


def test_more_segments_than_queries_is_an_error_with_both_counts():
    predicted = predictions(batch=1, queries=2)
    truth = SegmentTargets.from_segments([torch.arange(3)], [torch.ones(3, 32, 48)])
    with pytest.raises(ValueError, match="3 segments but the model has 2 queries: raise num_queries"):
        HungarianAssigner()(predicted, truth)


def test_images_without_segments_match_nothing():
    truth = SegmentTargets.from_segments([torch.zeros(0), torch.zeros(0)], [torch.zeros(0, 32, 48)] * 2)
    assert HungarianAssigner()(predictions(), truth).shape == (LAYERS, 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_costs_are_finite_in_low_precision_where_the_product_would_overflow(dtype, scale):
    wide = predictions()
    predicted = MaskPredictions.from_embeddings(*((x.detach() * scale * 8).to(dtype) for x in (
        wide.class_logits, wide.mask_embeds, wide.pixel_embeds
    )))  # fmt: skip
    cost = HungarianAssigner().cost(predicted, targets())
    assert cost.dtype == torch.float32
    assert cost.isfinite().all()


@pytest.mark.parametrize(
    ("name", "index", "words"),
    [
        ("class_logits", (1, 0, 0, 0), "class_logits of decoder layer 1"),
        ("mask_embeds", (2, 0, 0, 0), "mask_embeds of decoder layer 2"),
        ("pixel_embeds", (0, 0, 0, 0), "pixel_embeds"),
    ],
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_non_finite_prediction_is_named_by_tensor_and_layer(name, index, words, value):
    predicted = predictions()
    with torch.no_grad():
        getattr(predicted, name)[index] = value
    with pytest.raises(FloatingPointError, match=words):
        HungarianAssigner()(predicted, targets())


def test_fixed_matching_gives_a_segment_the_query_of_its_class():
    truth = targets()
    matching = FixedAssigner()(predictions(queries=CLASSES), truth)
    assert matching.tolist() == [truth.labels.tolist()] * LAYERS


def test_fixed_matching_wants_as_many_queries_as_classes():
    with pytest.raises(ValueError, match=f"got 10 queries and {CLASSES} classes"):
        FixedAssigner()(predictions(), targets())


def test_fixed_matching_refuses_two_segments_of_one_class():
    truth = SegmentTargets.from_segments([torch.tensor([2, 2])], [torch.ones(2, 32, 48)])
    with pytest.raises(ValueError, match=r"several segments of one class \(labels \[2, 2\]\)"):
        FixedAssigner()(predictions(batch=1, queries=CLASSES), truth)


def test_a_cost_of_ones_own_can_be_registered_and_swapped_in():
    @TASK_UTILS.register_module(name="OnlyQueryZero", force=True)
    class OnlyQueryZero:
        def __call__(self, class_logits, labels):
            cost = torch.ones(*class_logits.shape[:3], labels.shape[1])
            cost[:, :, 0] = 0
            return cost

    truth = SegmentTargets.from_segments([torch.tensor([2])], [torch.ones(1, 32, 48)])
    assigner = TASK_UTILS.build(
        dict(type="mmmaskformer.HungarianAssigner", costs=[dict(type="mmmaskformer.OnlyQueryZero")])
    )
    assert assigner(predictions(batch=1), truth).tolist() == [[0]] * LAYERS
