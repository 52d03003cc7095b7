"""Streamed label maps against whole score maps, in both test-time orders."""

import pytest
import torch
import torch.nn.functional as F
from predictions import CLASSES, predictions

from mmmaskformer.core import tiles
from mmmaskformer.core.inference import class_probabilities, label_map, semantic_scores
from mmmaskformer.core.tiles import OutputGeometry

GEOMETRIES = [
    OutputGeometry.plain((32, 48)),
    OutputGeometry((32, 48), (0, 0, 25, 41), (25, 41)),
    OutputGeometry((32, 48), (3, 5, 25, 41), (77, 60)),
    OutputGeometry((32, 48), (0, 0, 30, 48), (11, 13)),
    OutputGeometry((29, 47), (0, 0, 29, 47), (100, 1)),
]


def resize(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def whole(predicted, geometry: OutputGeometry, order: str) -> torch.Tensor:
    """Scores (K, H', W') of image 1, with every map held."""
    top, left, height, width = geometry.crop
    probabilities = class_probabilities(predicted.class_logits[-1, 1])
    masks = resize(predicted.mask_logits()[1:2], geometry.input_size)

    def crop(x):
        return x[..., top : top + height, left : left + width]

    def product(x):
        return torch.einsum("qk,bqhw->bkhw", probabilities, x.sigmoid())

    if order == "scores":
        return resize(crop(product(masks)), geometry.output_size)[0]
    return product(resize(crop(masks), geometry.output_size))[0]


def assert_same_labels(labels: torch.Tensor, scores: torch.Tensor) -> None:
    """Equal, or two classes tie within 1e-6."""
    best = scores.max(0).values
    taken = scores.gather(0, labels[None])[0]
    assert (best - taken).max() < 1e-6


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda g: f"{g.input_size}{g.crop}{g.output_size}")
@pytest.mark.parametrize("order", tiles.ORDERS)
@pytest.mark.parametrize("rows", [1, 5, 1000])
def test_streamed_labels_equal_the_argmax_of_whole_scores(geometry, order, rows, monkeypatch):
    monkeypatch.setattr(tiles, "rows_per_tile", lambda *args: rows)
    predicted = predictions()
    labels = label_map(predicted, 1, geometry, order)
    assert labels.shape == geometry.output_size
    assert_same_labels(labels, whole(predicted, geometry, order).detach())


def test_the_two_orders_differ_at_borders():
    predicted, geometry = predictions(), GEOMETRIES[2]
    assert (label_map(predicted, 0, geometry, "scores") != label_map(predicted, 0, geometry, "mask_logits")).any()


def test_semantic_scores_are_the_marginalization_over_pairs():
    predicted = predictions()
    scores = semantic_scores(predicted, (32, 48))
    p = predicted.class_logits[-1].softmax(-1)
    m = resize(predicted.mask_logits(), (32, 48)).sigmoid()
    expected = sum(p[0, i, 2] * m[0, i, 10, 20] for i in range(predicted.num_queries))
    torch.testing.assert_close(scores[0, 2, 10, 20], expected)
    assert scores.shape == (2, CLASSES, 32, 48)


def test_general_inference_gives_a_pixel_to_the_most_confident_pair_that_is_an_object():
    predicted, geometry = predictions(), OutputGeometry.plain((32, 48))
    labels = label_map(predicted, 0, geometry, method="general")
    confidence, best = predicted.class_logits[-1, 0].softmax(-1).max(-1)
    kept = best < CLASSES
    assert 0 < kept.sum() < len(kept)
    products = confidence[kept, None, None] * resize(predicted.mask_logits()[:1], (32, 48))[0, kept].sigmoid()
    assert torch.equal(labels, best[kept][products.argmax(0)])


def test_general_inference_is_void_where_every_query_says_no_object():
    predicted = predictions()
    with torch.no_grad():
        predicted.class_logits[..., -1] = 100
    labels = label_map(predicted, 0, OutputGeometry.plain((32, 48)), method="general", void=99)
    assert labels.unique().tolist() == [99]


def test_an_unknown_order_or_method_is_refused():
    with pytest.raises(ValueError, match="order='masks'"):
        label_map(predictions(), 0, GEOMETRIES[0], order="masks")
