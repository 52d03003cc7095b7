"""Predictions are compared by class, region and score, whatever the number or place of a segment."""

import numpy as np
import pytest

from mmmaskformer.errors import UserError
from mmmaskformer.export.comparison import Difference, compare_instances, compare_labels, compare_segments
from mmmaskformer.export.verification import check_differences
from mmmaskformer.segments import Instances, SegmentMap

NAMES = ["cat", "dog", "sky", "sea", "sand"]
SIZE = (20, 30)


def segment_map(*segments: tuple[int, slice, float], things: int = 2) -> SegmentMap:
    """A map of rows: class, rows and score of each segment."""
    ids = np.zeros(SIZE, np.int32)
    for number, (_, rows, _) in enumerate(segments, 1):
        ids[rows] = number
    labels, _, scores = map(np.array, zip(*segments))
    return SegmentMap.from_ids(ids, labels, labels < things, scores)


TOP, MIDDLE, BOTTOM = slice(0, 5), slice(5, 15), slice(15, 19)
SCENE = segment_map((0, TOP, 0.9), (0, MIDDLE, 0.8), (3, BOTTOM, 0.7))


def test_equal_maps_do_not_differ() -> None:
    found = compare_segments(SCENE, SCENE, NAMES)
    assert found == Difference(pixels=600, score=0.0)
    check_differences({"panoptic map": found})


def test_segments_may_have_other_numbers() -> None:
    other = segment_map((3, BOTTOM, 0.7), (0, MIDDLE, 0.8), (0, TOP, 0.9))
    assert compare_segments(SCENE, other, NAMES) == Difference(pixels=600, score=0.0)


def test_the_same_regions_with_other_classes_differ() -> None:
    ours, theirs = (segment_map((one, MIDDLE, 0.8), (other, BOTTOM, 0.8)) for one, other in ((0, 3), (1, 4)))
    found = compare_segments(ours, theirs, NAMES)
    assert (found.pixels, found.differing, found.relabeled) == (600, 420, 2)
    assert found.example == "300 pixels belong to segment 1 ('dog') in place of segment 1 ('cat')"
    with pytest.raises(UserError, match=r"differs from PyTorch's in 420 of 600 pixels.*'dog'"):
        check_differences({"panoptic map": found})


def test_one_object_in_place_of_two_differs() -> None:
    found = compare_segments(SCENE, segment_map((0, slice(0, 15), 0.9), (3, BOTTOM, 0.7)), NAMES)
    assert found.differing == 150 and "segment 1 ('cat') in place of segment 1 ('cat')" in found.example


def test_pixels_that_are_void_in_one_map_differ() -> None:
    found = compare_segments(SCENE, segment_map((0, TOP, 0.9), (0, MIDDLE, 0.8)), NAMES)
    assert (found.differing, found.example) == (120, "120 pixels belong to void in place of segment 3 ('sea')")


def test_the_class_of_a_segment_of_few_pixels_counts_as_much() -> None:
    ids = np.zeros((400, 400), np.int32)
    ids[:3, :4] = 1
    ours, theirs = (SegmentMap.from_ids(ids, np.array([label]), np.array([True])) for label in (0, 1))
    found = compare_segments(ours, theirs, NAMES)
    assert found.share < 1e-4 and found.relabeled == 1
    with pytest.raises(UserError, match="gives another class to 1 of PyTorch's segments .*'dog'.* in place of .*'cat'"):
        check_differences({"panoptic map": found})


@pytest.mark.parametrize("score", [0.8021, 0.75, float("nan")])
def test_scores_of_paired_segments_are_compared(score: float) -> None:
    found = compare_segments(SCENE, segment_map((0, TOP, 0.9), (0, MIDDLE, score), (3, BOTTOM, 0.7)), NAMES)
    assert found.differing == 0
    with pytest.raises(UserError, match="panoptic map: scores differ from PyTorch's by up to"):
        check_differences({"panoptic map": found})


def test_label_maps_are_compared_by_class() -> None:
    ours = np.repeat([0, 1, 4, 255], 5)[:, None] * np.ones((1, 10), int)
    theirs = ours.copy()
    theirs[0, :4], theirs[5, :7], theirs[16, :2] = 1, 255, 3
    found = compare_labels(ours, theirs, NAMES)
    assert (found.pixels, found.differing) == (200, 13)
    assert found.example == "7 pixels are void in place of 'dog'"
    check_differences({"label map": compare_labels(ours, ours.copy(), NAMES)})


def instances(*found: tuple[int, float, slice]) -> Instances:
    """Label, score and rows of each instance."""
    masks = np.zeros((len(found), *SIZE), bool)
    for mask, (_, _, rows) in zip(masks, found):
        mask[rows] = True
    boxes = np.array([(0, rows.start, SIZE[1], rows.stop) for _, _, rows in found], np.float32).reshape(-1, 4)
    labels, scores = (np.array([one[place] for one in found]) for place in (0, 1))
    return Instances(labels.astype(np.int64), scores.astype(np.float32), boxes, masks)


PAIR = [(0, 0.9, TOP), (1, 0.6, MIDDLE)]


def test_instances_are_paired_by_class_and_mask_in_any_order() -> None:
    found = compare_instances(instances(*PAIR, (0, 0.1, BOTTOM)), instances((1, 0.2, TOP), *PAIR[::-1]), NAMES)
    assert (found.pixels, found.differing) == (1200, 0) and found.score < 1e-6


@pytest.mark.parametrize(
    ("theirs", "differing", "words"),
    [
        ([(1, 0.9, TOP), (1, 0.6, MIDDLE)], 1200, "there is (nothing like|)"),
        ([(0, 0.9, TOP)], 600, r"there is nothing like instance 1 \('dog', score 0\.60\)"),
        ([*PAIR, (0, 0.7, BOTTOM)], 600, r"there is instance 1 \('cat', score 0\.70\) too many"),
        ([(0, 0.9, slice(0, 6)), PAIR[1]], 30, "30 pixels of the mask or box of instance 0"),
        ([], 1200, "there is nothing like instance"),
    ],
    ids=["class", "missing", "too many", "mask", "none"],
)
def test_instances_that_differ_are_described(theirs: list, differing: int, words: str) -> None:
    found = compare_instances(instances(*PAIR), instances(*theirs), NAMES)
    assert found.differing == differing
    with pytest.raises(UserError, match=words):
        check_differences({"instance masks": found})


def test_an_instances_box_and_score_count() -> None:
    ours, theirs = instances(*PAIR), instances(*PAIR)
    theirs.boxes[1, 2] -= 1
    assert compare_instances(ours, theirs, NAMES).differing == 600
    assert compare_instances(ours, instances(PAIR[0], (1, 0.7, MIDDLE)), NAMES).score == pytest.approx(0.1, abs=1e-6)


def test_where_no_instance_is_sure_the_surest_are_compared() -> None:
    unsure = [(index % 2, 0.4 - index / 100, slice(index, index + 3)) for index in range(15)]
    found = compare_instances(instances(*unsure), instances(*unsure), NAMES)
    assert (found.pixels, found.differing) == (6000, 0)
    assert compare_instances(instances(*unsure), instances(*unsure[1:]), NAMES).differing == 600
    assert compare_instances(instances(), instances(), NAMES) == Difference()
    assert compare_instances(instances(), instances(*PAIR), NAMES).differing == 1200


def test_an_instance_at_the_border_of_sure_may_be_on_either_side() -> None:
    one, other = instances(*PAIR, (0, 0.50001, BOTTOM)), instances(*PAIR, (0, 0.49999, BOTTOM))
    for ours, theirs in ((one, other), (other, one)):
        assert compare_instances(ours, theirs, NAMES).differing == 0


def test_maps_of_another_size_differ_everywhere() -> None:
    assert compare_labels(np.zeros((4, 5)), np.zeros((5, 4)), NAMES).share == 1
    flipped = SegmentMap.from_ids(SCENE.ids.T, SCENE.labels, SCENE.is_thing, SCENE.scores)
    assert compare_segments(SCENE, flipped, NAMES).share == 1


def test_images_are_summed_up_with_the_worst_of_them_as_the_example() -> None:
    total = Difference()
    for name, pixels in (("a.png", 3), ("b.png", 9), ("c.png", 0)):
        one = Difference(pixels=100, score=pixels / 10)
        one.count(pixels, f"{pixels} pixels")
        total.add(one, name)
    assert (total.pixels, total.differing, total.score, total.example) == (300, 12, 0.9, "b.png: 9 pixels")
