"""A panoptic PNG's pixels are found among the segments of its json, and a disagreement between the two is named."""

import numpy as np
import pytest

from mmmaskformer.coco.panoptic_png import write_panoptic_png
from mmmaskformer.datasets.panoptic_segments import read_segment_positions, segment_positions
from mmmaskformer.errors import UserError


@pytest.mark.parametrize("seed", range(5))
def test_each_pixel_finds_its_segment(seed):
    rng = np.random.default_rng(seed)
    known = rng.choice(256**3 - 1, 7, replace=False) + 1
    ids = np.append(known, 0)[rng.integers(0, 8, (9, 11))].astype(np.int32)
    ids[0, :8] = np.append(known, 0)  # every one is there
    positions = segment_positions(ids, known.tolist(), "a.png")
    for place, number in enumerate([*known.tolist(), 0]):
        np.testing.assert_array_equal(positions == place, ids == number)


def test_a_map_of_one_segment_and_one_of_void_are_read():
    assert (segment_positions(np.full((3, 4), 9, np.int32), [9], "a.png") == 0).all()
    assert (segment_positions(np.zeros((3, 4), np.int32), [], "a.png") == 0).all()


def test_an_id_that_the_json_lacks_is_named(tmp_path):
    write_panoptic_png(np.array([[1, 2], [3, 0]]), tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png and its json disagree: id 2, 3 of the PNG is not in segments_info"):
        read_segment_positions(str(tmp_path / "a.png"), [1])


def test_an_id_that_the_png_lacks_is_named():
    with pytest.raises(
        UserError, match=r"a\.png and its json disagree: id 5, 6, 7, 8, 9, \.\.\. of segments_info has no"
    ):
        segment_positions(np.ones((2, 2), np.int32), [1, *range(5, 12)], "a.png")
