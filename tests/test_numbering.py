"""Runs of equal pixels and ids are found whatever their number and size."""

import numpy as np
import pytest

from mmmaskformer.numbering import GOLDEN, Runs, look_up, number_pixels, run_starts, values_in


@pytest.mark.parametrize("sparse", [2, 30])
def test_runs_of_maps_of_any_size_start_where_a_pixel_differs_from_the_last(sparse: int) -> None:
    rng = np.random.default_rng(sparse)
    for size in range(40):
        pixels = rng.integers(0, sparse, size) == 0
        expected = [n for n in range(size) if n == 0 or pixels[n] != pixels[n - 1]]
        assert run_starts(pixels).tolist() == expected, f"{size} pixels"
        runs = Runs.of(pixels.reshape(1, size))
        assert runs.size == runs.lengths.sum() == size
        assert np.array_equal(runs.pixels()[0], pixels)


def test_ids_of_a_map_are_its_distinct_values() -> None:
    pixels = np.random.default_rng(0).integers(0, 50, (30, 40)).repeat(3, 1).astype(np.uint8)
    assert np.array_equal(values_in(pixels), np.unique(pixels))


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


@pytest.mark.parametrize("seed", range(3))
def test_each_pixel_has_the_number_of_its_value(seed: int) -> None:
    rng = np.random.default_rng(seed)
    known = rng.choice(256**3 - 1, 7, replace=False) + 1
    values = np.append(known, [0, 2**40])[rng.integers(0, 9, (9, 11))]
    values[0, :9] = np.append(known, [0, 2**40])
    runs, unknown = number_pixels(values, known, 0, "a map")
    assert unknown.tolist() == [2**40]
    for number, value in enumerate(known, 1):
        assert ((runs.pixels() == number) == (values == value)).all()
