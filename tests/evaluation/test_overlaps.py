"""Pairs of segments add up whatever their number."""

import numpy as np
import pytest

from mmmaskformer.evaluation.overlaps import common_runs, sum_pairs
from mmmaskformer.numbering import Runs


@pytest.mark.parametrize("shape", [(3, 4), (200, 300)])
def test_equal_pairs_add_up_in_a_table_and_in_a_list(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    rows, columns = (rng.integers(0, side, 500) for side in shape)
    pixels = rng.integers(1, 100, 500)
    expected = np.zeros(shape)
    np.add.at(expected, (rows, columns), pixels)
    found = np.zeros(shape)
    row, column, total = sum_pairs(rows, columns, pixels, shape)
    assert len(row) == np.count_nonzero(expected)
    found[row, column] = total
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("values", [1, 2, 5, 1000])
def test_runs_in_which_two_maps_are_constant_cover_each_pixel_once(values: int) -> None:
    rng = np.random.default_rng(values)
    for height, width in ((1, 1), (1, 9), (7, 8), (20, 30)):
        one, other = (rng.integers(0, values, (height, width)) for _ in range(2))
        rows, columns, lengths = common_runs(Runs.of(one), Runs.of(other))
        assert np.array_equal(np.repeat(rows, lengths), one.reshape(-1))
        assert np.array_equal(np.repeat(columns, lengths), other.reshape(-1))
