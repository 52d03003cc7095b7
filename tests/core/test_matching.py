"""Which query answers for which segment."""

from collections.abc import Sequence
from itertools import permutations

import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MMLogger
from predictions import CLASSES, LAYERS, predictions, targets

from mmmaskformer.core import matching as matching_module
from mmmaskformer.core.matching import FixedAssigner, HungarianAssigner, MatchedPairs
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


def crowd(*counts: int, names: Sequence[str] | None = None) -> SegmentTargets:
    """That many random segments in each image."""
    generator = torch.Generator().manual_seed(4)
    labels = [torch.randint(CLASSES, (count,), generator=generator) for count in counts]
    masks = [torch.rand(count, 32, 48, generator=generator) > 0.5 for count in counts]
    return SegmentTargets.from_segments(labels, masks, names)


def test_of_more_segments_than_queries_the_cheapest_assignment_leaves_some_without_a_query():
    predicted, truth = predictions(queries=3), crowd(5, 2)
    assigner = HungarianAssigner()
    matching, costs = assigner(predicted, truth), assigner.cost(predicted, truth)
    assert matching.shape == (LAYERS, 7)
    for layer, cost in enumerate(costs[:, 0]):
        best = min(permutations(range(5), 3), key=lambda segments: sum(cost[q, s] for q, s in enumerate(segments)))
        expected = [best.index(segment) if segment in best else -1 for segment in range(5)]
        assert matching[layer, :5].tolist() == expected
    assert (matching[:, 5:] >= 0).all()


def test_more_segments_than_queries_are_reported_once_with_the_file_and_both_counts(tmp_path, caplog):
    logger = MMLogger.get_instance(tmp_path.name)  # and so the current one
    logger.addHandler(caplog.handler)
    assigner, predicted = HungarianAssigner(), predictions(queries=3)
    for first, second in ((3, 2), (2, 5), (2, 5)):
        assigner(predicted, crowd(first, second, names=["a.png", "b.png"]))
    (record,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert "b.png has 5 segments but the model has 3 queries" in record.message
    assert "raise num_queries" in record.message


@pytest.mark.parametrize("most", [1, 2, 3])
def test_costs_are_the_same_where_masks_come_in_parts(most, monkeypatch):
    predicted, truth = predictions(batch=4), crowd(5, 0, 3, 1)
    whole = HungarianAssigner().cost(predicted, truth)
    monkeypatch.setattr(matching_module, "SEGMENTS_PER_PASS", most)
    parts = HungarianAssigner().cost(predicted, truth)
    for image, count in enumerate(truth.counts):
        torch.testing.assert_close(parts[:, image, :, :count], whole[:, image, :, :count])


def test_pairs_are_those_with_a_query_and_sums_leave_the_others_out():
    matching = torch.tensor([[1, -1, 0], [2, 0, -1]])
    pairs = MatchedPairs.of(matching, crowd(2, 1))
    found = list(zip(*(x.tolist() for x in (pairs.segments, pairs.layers, pairs.images, pairs.queries))))
    assert found == [(0, 0, 0, 1), (0, 1, 0, 2), (1, 1, 0, 0), (2, 0, 1, 0)]
    assert pairs.counts == [3, 1] and not pairs.complete
    assert pairs.sum_by_layer(torch.tensor([1.0, 2.0, 4.0, 8.0])).tolist() == [9.0, 6.0]
    assert MatchedPairs.of(matching.clamp(min=0), crowd(2, 1)).complete


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
    labels, masks = [torch.tensor([1]), torch.tensor([2, 2])], [torch.ones(1, 32, 48), torch.ones(2, 32, 48)]
    for names, name in ((["a.png", "b.png"], r"b\.png"), (None, "image 1 of the batch")):
        truth = SegmentTargets.from_segments(labels, masks, names)
        with pytest.raises(ValueError, match=rf"{name} has several segments of one class \(labels \[2, 2\]\)"):
            FixedAssigner()(predictions(queries=CLASSES), truth)


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
