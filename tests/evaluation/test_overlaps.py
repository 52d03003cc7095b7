"""Pairs of segments add up whatever their number."""

import numpy as np
import pytest

from mmmaskformer.evaluation.overlaps import sum_pairs


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
