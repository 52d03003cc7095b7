"""Segments and instances survive COCO's entries."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmmaskformer.coco.annotations import read_ids, run_lengths, segment_map, segments_info
from mmmaskformer.coco.panoptic_json import Segment
from mmmaskformer.errors import UserError

CLASS_OF, THINGS = {7: 0, 3: 1}, (True, False)


def test_segments_have_their_classes_and_crowds_are_no_things() -> None:
    ids = np.array([[5, 6, 8, 0]])
    found = segment_map(ids, [Segment(8, 3), Segment(5, 7), Segment(6, 7, iscrowd=1)], CLASS_OF, THINGS, "a.png")
    assert found.ids.tolist() == [[2, 3, 1, 0]] and found.labels.tolist() == [1, 0, 0]
    assert found.is_thing.tolist() == [False, True, False] and found.crowd.tolist() == [False, False, True]
    assert segments_info(found, list(CLASS_OF)) == [
        {"id": number, "category_id": category} for number, category in ((1, 3), (2, 7), (3, 7))
    ]


def test_a_category_that_is_no_class_is_named_with_its_segment() -> None:
    with pytest.raises(UserError, match=r"a\.png: segment 5 has category_id 77, which is none of the 2 categories"):
        segment_map(np.array([[5]]), [Segment(5, 77)], CLASS_OF, THINGS, "a.png")


def test_a_png_that_is_missing_is_named() -> None:
    with pytest.raises(UserError, match=r"panoptic PNG nowhere/a\.png does not exist"):
        read_ids("nowhere/a.png")


@pytest.mark.parametrize("count", [0, 3])
def test_masks_are_what_their_run_lengths_say(count: int) -> None:
    masks = np.random.default_rng(0).random((count, 5, 7)) < 0.5
    assert [coco_mask.decode(code).tolist() for code in run_lengths(masks)] == masks.astype(int).tolist()
