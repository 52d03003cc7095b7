"""Maps of segments are numbered from 1 on, and say of each segment what it is."""

import numpy as np
import pytest

from mmmaskformer.visualization import Instances, predicted_segments, true_segments
from mmmaskformer.visualization.segments import visible_segments


def test_a_prediction_in_mmdets_code_is_read_with_its_scores() -> None:
    encoded = np.array([[1000, 1000, 2], [2000, 3, 3]])
    found = predicted_segments(encoded, 3, dict(ids=[2, 2000, 1000], labels=[2, 0, 0], scores=[0.5, 0.75, 1.0]))
    assert found.ids.tolist() == [[3, 3, 1], [2, 0, 0]]
    assert [(s.id, s.label, s.is_thing, s.score) for s in found.segments] == [
        (1, 2, False, 0.5),
        (2, 0, True, 0.75),
        (3, 0, True, 1.0),
    ]
    assert [(s.area, s.box) for s in found.segments] == [(1, (2, 0, 3, 1)), (1, (0, 1, 1, 2)), (2, (0, 0, 2, 1))]


def test_a_prediction_without_scores_says_what_its_map_says() -> None:
    found = predicted_segments(np.array([[1001, 2001, 4, 5]]), 5)
    assert [(s.label, s.is_thing, s.score) for s in found.segments] == [
        (4, False, None),
        (1, True, None),
        (1, True, None),
    ]
    assert found.ids.tolist() == [[2, 3, 1, 0]]


@pytest.mark.parametrize("found", [None, dict(ids=[], labels=[], scores=[])])
def test_a_prediction_of_nothing_is_all_void(found: dict | None) -> None:
    nothing = predicted_segments(np.full((4, 5), 133), 133, found)
    assert nothing.segments == [] and nothing.ids.shape == (4, 5) and not nothing.ids.any()


def test_the_truth_tells_crowds_from_things_and_stuff() -> None:
    info = [
        dict(id=16777215, category=0, is_thing=1),
        dict(id=300, category=0, is_thing=False),
        dict(id=7, category=2, is_thing=0),
    ]
    truth = true_segments(np.array([[300, 7, 16777215, 0]]), info, num_things=2)
    assert [(s.is_thing, s.is_crowd) for s in truth.segments] == [(True, False), (False, True), (False, False)]
    assert truth.ids.tolist() == [[2, 3, 1, 0]]


def test_a_segment_that_has_no_pixel_is_left_out() -> None:
    info = [dict(id=5, category=0, is_thing=True), dict(id=6, category=1, is_thing=False)]
    truth = true_segments(np.array([[6, 6]]), info, num_things=1)
    assert [s.label for s in truth.segments] == [1] and truth.ids.tolist() == [[1, 1]]


def test_a_map_of_segments_becomes_a_map_of_classes() -> None:
    found = predicted_segments(np.array([[1001, 2001, 0, 3]]), 3)
    assert found.labels(void=255).tolist() == [[1, 1, 0, 255]]


def instances(*masks: np.ndarray, scores: tuple[float, ...]) -> Instances:
    boxes = np.zeros((len(masks), 4), np.float32)
    return Instances(np.arange(len(masks)), np.array(scores), boxes, np.array(masks, bool))


def test_a_small_instance_lies_on_a_large_one_whatever_their_scores() -> None:
    small = np.zeros((8, 8), bool)
    small[2:4, 2:4] = True
    seen = visible_segments(instances(small, np.ones((8, 8)), scores=(0.5, 0.9)))
    assert (seen.ids == np.where(small, 1, 2)).all()


def test_of_two_masks_of_one_object_the_surer_one_is_on_top() -> None:
    whole, chipped = np.ones((8, 8), bool), np.ones((8, 8), bool)
    chipped[0, 0] = False
    seen = visible_segments(instances(whole, chipped, scores=(0.9, 0.8)))
    assert [s.score for s in seen.segments] == [0.9] and (seen.ids == 1).all()


def test_instances_are_chosen_by_score_the_surest_first() -> None:
    many = instances(*np.ones((4, 2, 2)), scores=(0.5, 0.2, 0.9, 0.49))
    chosen = many.above(0.5)
    assert chosen.labels.tolist() == [2, 0] and chosen.masks.shape == (2, 2, 2) and len(many.above(1.0)) == 0
