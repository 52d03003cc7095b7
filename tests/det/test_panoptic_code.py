"""Segments survive mmdet's code: class + 1000 x instance, K for void."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from segment_maps import decoded

from mmmaskformer.core.panoptic import PanopticSegments
from mmmaskformer.det.panoptic_code import check_room, read_panoptic, true_segments, write_panoptic
from mmmaskformer.errors import UserError


def test_what_is_written_is_read_with_its_scores() -> None:
    ids, labels = torch.tensor([[3, 3, 1], [2, 0, 0]]), torch.tensor([2, 0, 0])
    sample = DetDataSample()
    write_panoptic(sample, PanopticSegments(ids, labels, torch.tensor([0.5, 0.75, 1.0])), num_things=2, num_classes=3)
    assert sample.pred_panoptic_seg.sem_seg.tolist() == [[[2000, 2000, 2], [1000, 3, 3]]]
    found = read_panoptic(sample, 3)
    assert found.ids.tolist() == ids.tolist()
    assert [(s.label, s.is_thing, s.score) for s in found.segments] == [(2, False, 0.5), (0, True, 0.75), (0, True, 1)]


def test_a_prediction_without_scores_says_what_its_map_says() -> None:
    found = decoded([[1001, 2001, 4, 5]], 5)
    assert [(s.label, s.is_thing, s.score) for s in found.segments] == [
        (4, False, None),
        (1, True, None),
        (1, True, None),
    ]
    assert found.ids.tolist() == [[2, 3, 1, 0]]


def test_the_truth_tells_crowds_from_things_and_stuff() -> None:
    info = [
        dict(id=16777215, category=0, is_thing=1),
        dict(id=300, category=0, is_thing=False),
        dict(id=7, category=2, is_thing=0),
    ]
    truth = true_segments(np.array([[300, 7, 16777215, 0]]), info, (True, True, False))
    assert [(s.is_thing, s.is_crowd) for s in truth.segments] == [(True, False), (False, True), (False, False)]
    assert truth.ids.tolist() == [[2, 3, 1, 0]]
    with pytest.raises(UserError, match=r"a\.png: segment 7 has the category 2, which is none of the 2 classes"):
        true_segments(np.array([[7]]), info[2:], (True, True), "a.png")


def test_more_classes_than_the_code_has_room_for_are_refused() -> None:
    check_room("a head", 999)
    with pytest.raises(UserError, match="a head has 1000 classes, .* has room for 999: use fewer"):
        check_room("a head", 1000, ": use fewer")
