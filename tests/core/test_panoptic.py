"""Panoptic inference on masks drawn by hand, and DETR's post-processing."""

import pytest
import torch
from predictions import predictions

from mmmaskformer.core import tiles
from mmmaskformer.core.panoptic import PanopticSegments, detr_segments, panoptic_segments
from mmmaskformer.core.tiles import OutputGeometry
from mmmaskformer.structures import MaskPredictions

THINGS, CLASSES = 2, 4  # classes 2 and 3 are stuff
NOTHING = CLASSES
SIZE = (4, 6)


def drawn(masks: list[list[str]], classes: list[int], certainty: float = 0.95) -> MaskPredictions:
    """One image whose query q has a mask of "#" (likely), "+" (a little less) and "." (unlikely) and a class."""
    level = {"#": 4.0, "+": 3.0, "-": -1.0, ".": -6.0}
    logits = torch.tensor([[[level[pixel] for pixel in row] for row in mask] for mask in masks])
    class_logits = torch.full((len(masks), CLASSES + 1), 0.0)
    class_logits[range(len(masks)), classes] = torch.tensor(certainty / (1 - certainty) * CLASSES).log()
    return MaskPredictions.from_embeddings(class_logits[None, None], torch.eye(len(masks))[None, None], logits[None])


LEFT = ["###..."] * 4
RIGHT = ["...###"] * 4
ALL = ["++++++"] * 4
PLAIN = OutputGeometry.plain(SIZE)


def panoptic(predicted: MaskPredictions, **options) -> PanopticSegments:
    return panoptic_segments(predicted, 0, PLAIN, THINGS, **options)


def test_things_of_one_class_stay_apart():
    found = panoptic(drawn([LEFT, RIGHT], [1, 1]))
    assert found.ids[0].tolist() == [1, 1, 1, 2, 2, 2]
    assert found.labels.tolist() == [1, 1]
    torch.testing.assert_close(found.scores, torch.tensor([0.95, 0.95]))


def test_stuff_of_one_class_is_merged_and_keeps_the_best_score():
    predicted = drawn([LEFT, RIGHT], [2, 2])
    predicted.class_logits[0, 0, 1, 2] += 2
    found = panoptic(predicted)
    assert found.ids.unique().tolist() == [1]
    assert found.labels.tolist() == [2]
    assert found.scores == predicted.class_logits[0, 0, 1].softmax(-1).max()


def test_every_query_the_same_class_is_as_many_things_or_one_stuff():
    masks = [["#.....", "......"] + ["......"] * 2, [".#....", "......"] + ["......"] * 2, ["..#..."] + ["......"] * 3]
    # Pixels that no query claims go to the likeliest all the same, so the overlap is not asked for.
    assert len(panoptic(drawn(masks, [0, 0, 0]), overlap=0.0)) == 3
    assert len(panoptic(drawn(masks, [3, 3, 3]), overlap=0.0)) == 1


def test_a_query_mostly_hidden_by_others_is_dropped_and_its_pixels_are_void():
    shown = ["#.....", "......", "......", "......"]
    found = panoptic(drawn([LEFT, RIGHT, ALL], [1, 1, 3]))
    assert found.labels.tolist() == [1, 1]
    # The hidden query still wins the pixel that the others leave it.
    gap = ["##....", "###...", "###...", "###..."]
    found = panoptic(drawn([gap, RIGHT, ALL], [1, 1, 3]))
    assert found.ids[0].tolist() == [1, 1, 0, 2, 2, 2]
    assert len(panoptic(drawn([shown, ALL], [1, 3]), overlap=0.5)) == 2


def test_an_only_segment_takes_every_pixel_unless_uncertain_ones_are_dropped():
    predicted = drawn([LEFT], [0])
    assert panoptic(predicted).ids.unique().tolist() == [1]
    assert panoptic(predicted, drop_uncertain_pixels=True).ids[0].tolist() == [1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("kind", [panoptic_segments, detr_segments])
@pytest.mark.parametrize("predicted", [drawn([LEFT, RIGHT], [NOTHING] * 2), drawn([LEFT, RIGHT], [0, 3], 0.6)])
def test_without_a_confident_query_all_is_void(kind, predicted):
    found = kind(predicted, 0, PLAIN, THINGS)
    assert found.ids.shape == SIZE
    assert found.ids.unique().tolist() == [0]
    assert len(found) == len(found.scores) == 0


def test_a_mask_that_is_nowhere_likely_is_no_segment():
    assert len(panoptic(drawn([["------"] * 4], [0]))) == 0


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    "geometry", [OutputGeometry((32, 48), (0, 0, 25, 41), (77, 60)), OutputGeometry.plain((32, 48))]
)
def test_tiles_of_any_height_give_the_same_segments(rows, geometry, monkeypatch):
    predicted = predictions()
    options = dict(num_things=3, confidence=0.2, overlap=0.1)
    whole = panoptic_segments(predicted, 1, geometry, **options)
    whole_detr = detr_segments(predicted, 1, geometry, 3, 0.2)
    monkeypatch.setattr(tiles, "rows_per_tile", lambda *args: rows)
    tiled = panoptic_segments(predicted, 1, geometry, **options)
    assert len(whole) > 1
    assert torch.equal(whole.ids, tiled.ids)
    assert whole.labels.tolist() == tiled.labels.tolist()
    assert torch.equal(whole_detr.ids, detr_segments(predicted, 1, geometry, 3, 0.2).ids)


def test_detr_gives_the_pixels_of_tiny_segments_to_the_others():
    tiny = ["##....", "##....", "......", "......"]
    large = ["##....", "##...#", "......", "......"]
    rest = ["..++++", "..++++", "++++++", "++++++"]
    found = detr_segments(drawn([tiny, rest], [0, 3]), 0, PLAIN, THINGS)
    assert found.labels.tolist() == [3] and found.ids.unique().tolist() == [1]
    found = detr_segments(drawn([large, rest], [0, 3]), 0, PLAIN, THINGS)
    assert found.labels.tolist() == [0, 3]
    assert int((found.ids == 1).sum()) >= 5


def test_detr_measures_stuff_after_merging_it():
    first, second = ["##....", "......", "......", "......"], [".....#", "....##", "......", "......"]
    rest = ["..++..", "++++..", "++++++", "++++++"]
    assert detr_segments(drawn([first, second, rest], [2, 2, 0]), 0, PLAIN, THINGS).labels.tolist() == [2, 0]
    assert detr_segments(drawn([first, second, rest], [1, 1, 0]), 0, PLAIN, THINGS).labels.tolist() == [0]
