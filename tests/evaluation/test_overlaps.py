"""Runs, ids and pairs of segments are found whatever their number and size."""

import numpy as np
import pytest

from mmmaskformer.evaluation.overlaps import GOLDEN, ids_in, look_up, run_starts, sum_pairs


@pytest.mark.parametrize("sparse", [2, 30])
def test_runs_of_maps_of_any_size_start_where_a_pixel_differs_from_the_last(sparse: int) -> None:
    rng = np.random.default_rng(sparse)
    for size in range(40):
        a, b = (rng.integers(0, sparse, size) == 0 for _ in "ab")
        expected = [n for n in range(size) if n == 0 or a[n] != a[n - 1] or b[n] != b[n - 1]]
        assert run_starts(a, b).tolist() == expected, f"{size} pixels"


def test_ids_of_a_map_are_its_distinct_values() -> None:
    pixels = np.random.default_rng(0).integers(0, 50, (30, 40)).repeat(3, 1).astype(np.uint8)
    assert np.array_equal(ids_in(pixels), np.unique(pixels))


@pytest.mark.parametrize("count", [1, 2, 15, 300, 20_000])
@pytest.mark.parametrize("limit", [None, 2**24, 2**62])
def test_every_id_is_found_at_its_place_and_no_other_value_is(count: int, limit: int | None) -> None:
    rng = np.random.default_rng(count)
    known = rng.permutation(np.unique(rng.integers(-limit, limit, count)) if limit else np.arange(count))
    places = rng.integers(0, len(known), 5_000)
    assert np.array_equal(look_up(known, known[places]), places)
    strange = rng.integers(-(2**63), 2**63, 5_000)
    assert not np.isin(strange, known).any() and (known[look_up(known, strange)] != strange).all()


def test_ids_that_share_a_slot_of_the_table_are_all_found() -> None:
    inverse = pow(GOLDEN, -1, 2**64)
    # Products below 2^40 begin with the same bits, so that these ids share the first table's first slot.
    known = np.array([(n + 1) * inverse % 2**64 for n in range(50)], np.uint64).view(np.int64)
    assert np.array_equal(look_up(known, known[::-1]), np.arange(50)[::-1])


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
