"""Instances against the definition, with every mask held."""

import pytest
import torch
import torch.nn.functional as F
from predictions import CLASSES, QUERIES, predictions

from mmmaskformer.core import tiles
from mmmaskformer.core.instances import instance_predictions
from mmmaskformer.core.tiles import OutputGeometry
from mmmaskformer.pixels import PixelEmbeddings

THINGS = 4
GEOMETRY = OutputGeometry((32, 48), (0, 0, 25, 41), (50, 41))


@pytest.mark.parametrize("rows", [1, 1000])
def test_scores_masks_and_boxes_are_those_of_the_definition(rows, monkeypatch):
    monkeypatch.setattr(tiles, "rows_per_tile", lambda *args: rows)
    predicted = predictions()
    found = instance_predictions(predicted, 1, GEOMETRY, THINGS, max_instances=20)
    masks = F.interpolate(predicted.mask_logits()[1:2], size=(32, 48), mode="bilinear")[..., :25, :41]
    masks = F.interpolate(masks, size=(50, 41), mode="bilinear")[0]
    pairs = []
    for query, probabilities in enumerate(predicted.class_logits[-1, 1].softmax(-1)):
        pairs += [(float(p), query, label) for label, p in enumerate(probabilities[:-1])]
    pairs = [pair for pair in sorted(pairs, reverse=True)[:20] if pair[2] < THINGS]
    assert found.labels.tolist() == [label for _, _, label in pairs]
    assert len({query for _, query, _ in pairs}) < len(pairs), "no query stands for two classes: nothing tested"
    for index, (probability, query, _) in enumerate(pairs):
        inside = masks[query] > 0
        assert torch.equal(found.masks[index], inside)
        quality = masks[query].sigmoid()[inside].mean()
        torch.testing.assert_close(found.scores[index], probability * quality, rtol=1e-5, atol=1e-6)
        rows_of, columns_of = inside.nonzero(as_tuple=True)
        box = [columns_of.min(), rows_of.min(), columns_of.max() + 1, rows_of.max() + 1]
        assert found.boxes[index].tolist() == [float(edge) for edge in box]


def test_a_model_without_things_has_no_instances():
    found = instance_predictions(predictions(), 0, GEOMETRY, num_things=0)
    assert len(found) == 0
    assert found.masks.shape == (0, 50, 41) and found.boxes.shape == (0, 4) and found.scores.shape == (0,)


def test_no_more_pairs_are_taken_than_there_are():
    assert len(instance_predictions(predictions(), 0, GEOMETRY, CLASSES, max_instances=1000)) == QUERIES * CLASSES


def test_an_empty_mask_has_score_and_box_zero():
    predicted = predictions()
    predicted.pixels = PixelEmbeddings(torch.zeros_like(predicted.pixel_embeds))
    found = instance_predictions(predicted, 0, GEOMETRY, CLASSES, max_instances=3)
    assert found.scores.tolist() == [0.0] * 3
    assert found.boxes.abs().sum() == 0
