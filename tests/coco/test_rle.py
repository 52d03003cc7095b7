"""Masks are read as pycocotools writes them, and none that it would read beyond its memory passes."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmmaskformer.coco.rle import covers, run_lengths


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (480, 640)])
def test_lengths_are_those_of_the_runs_down_the_columns(share: float, size: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).random(size) < share
    counts = coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()
    lengths = run_lengths(counts)
    values = np.repeat(np.arange(len(lengths)) % 2, lengths)
    assert np.array_equal(values, mask.ravel(order="F"))
    assert covers(counts, size) and covers(lengths.tolist(), size)
    assert not covers(counts, (size[0] + 1, size[1])) and not covers(lengths[:-1].tolist(), size)


@pytest.mark.parametrize("counts", ["", "P", "0P", "\x00", "é", "0\u2603", "oooooooooo0", "~", " "])
def test_a_text_that_is_no_list_of_lengths_is_none(counts: str) -> None:
    assert run_lengths(counts) is None and not covers(counts, (1, 1))


@pytest.mark.parametrize("counts", [[], [1, 2, 2], [-1, 5], [10]])
def test_lengths_that_are_not_the_masks_are_refused(counts: list[int]) -> None:
    assert not covers(counts, (2, 2)) and covers([1, 2, 1], (2, 2))


def test_a_negative_length_is_refused() -> None:
    assert run_lengths("O5").tolist() == [-1, 5] and not covers("O5", (2, 2))
