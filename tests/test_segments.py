"""Maps of segments are numbered from 1 on, and say of each segment what it is."""

import numpy as np
import pytest
from segment_maps import decoded, instances

from mmmaskformer.errors import UserError
from mmmaskformer.segments import SegmentMap

VALUES = np.array([[70, 70, 9], [70, 0, 9], [0, 0, 9]])


def segment_map(known: list[int], **others: object) -> SegmentMap:
    return SegmentMap.from_values(VALUES, known, list(range(len(known))), [True] * len(known), **others)


def test_segments_have_the_numbers_of_the_list_whatever_they_are_called() -> None:
    found = segment_map([9, 70], scores=[0.5, 0.75], crowd=[False, True], name="a.png")
    assert found.ids.tolist() == [[2, 2, 1], [2, 0, 1], [0, 0, 1]] and found.ids.dtype == np.int32
    assert [(s.id, s.label, s.score, s.is_crowd) for s in found.segments] == [(1, 0, 0.5, False), (2, 1, 0.75, True)]
    assert [(s.area, s.box) for s in found.segments] == [(3, (2, 0, 3, 3)), (3, (0, 0, 2, 2))]


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ([9], r"a\.png: the map has the ids 70, which are not among its 1 segments \(VOID is 0\)"),
        ([9, 70, 1, 2, 3, 4, 5, 6], r"a\.png: the segments 1, 2, 3, 4, 5, \.\.\. have no pixel in the map"),
        ([9, 70, 70], r"a\.png: the segment id 70 belongs to more than one segment"),
        ([9, 70, 0], r"a\.png: the segment id 0 is VOID's \(0\)"),
    ],
)
def test_a_map_at_odds_with_its_list_is_named(known: list[int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        segment_map(known, name="a.png")


def test_without_a_name_what_is_only_in_map_or_list_is_left_out() -> None:
    found = segment_map([5, 9])
    assert found.labels.tolist() == [1] and found.ids.tolist() == [[0, 0, 1]] * 3


def test_each_class_of_a_label_map_is_a_segment() -> None:
    found = SegmentMap.from_label_map(np.array([[4, 255, 4, 2]], np.uint8), void=255)
    assert found.labels.tolist() == [2, 4] and found.ids.tolist() == [[2, 0, 2, 1]] and not found.is_thing.any()
    assert found.label_map(void=255).tolist() == [[4, 255, 4, 2]]


def test_a_map_without_segments_is_all_void() -> None:
    nothing = decoded(np.full((4, 5), 133), 133)
    assert nothing.segments == [] and nothing.ids.shape == (4, 5) and not nothing.ids.any()
    assert nothing.boxes.shape == (0, 4) and nothing.things().masks.shape == (0, 4, 5)


def test_the_things_of_a_map_are_instances() -> None:
    things = decoded([[1001, 2001, 2, 3]], 3, score=0.5).things()
    assert things.labels.tolist() == [1, 1] and things.scores.tolist() == [0.5, 0.5]
    assert things.masks.astype(int).tolist() == [[[1, 0, 0, 0]], [[0, 1, 0, 0]]]
    assert things.boxes.tolist() == [[0, 0, 1, 1], [1, 0, 2, 1]]


def test_a_small_instance_lies_on_a_large_one_whatever_their_scores() -> None:
    small = np.zeros((8, 8), bool)
    small[2:4, 2:4] = True
    assert (instances([small, np.ones((8, 8))], (0.5, 0.9)).layered().ids == np.where(small, 1, 2)).all()


def test_of_two_masks_of_one_object_the_surer_one_is_on_top() -> None:
    chipped = np.ones((8, 8), bool)
    chipped[0, 0] = False
    seen = instances([np.ones((8, 8)), chipped], (0.9, 0.8)).layered()
    assert (seen.ids == 1).all() and seen.areas.tolist() == [64, 0]


def test_instances_are_chosen_by_score_the_surest_first() -> None:
    many = instances(np.ones((4, 2, 2)), (0.5, 0.2, 0.9, 0.49))
    chosen = many.above(0.5)
    assert chosen.labels.tolist() == [2, 0] and chosen.masks.shape == (2, 2, 2) and len(many.above(1.0)) == 0
