"""How many pixels the segments of two maps share, at a cost that grows with pixels and with pairs that overlap."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, an odd number: a multiplier that spreads ids well
SPARSE = 8  # cells per pair up to which a whole table is faster than a list
MOST_BITS = 16  # of a hash table in the cache, 0.5 MB, where that holds the ids eight times


def run_starts(*maps: np.ndarray) -> np.ndarray:
    """Indices into maps (N,) where a pixel differs, in any of the maps, from the one before it; the first one does."""
    size = len(maps[0])
    starts = np.empty(-(-size // 8) * 8, bool)
    starts[:1], starts[size:] = True, False
    np.not_equal(maps[0][1:], maps[0][:-1], out=starts[1:size])
    for pixels in maps[1:]:
        starts[1:size] |= pixels[1:] != pixels[:-1]
    # In two steps, first eight pixels at once: numpy's search slows down where few of very many are true.
    eights = starts.view(np.uint64)
    place = np.flatnonzero(eights != 0)
    found = np.flatnonzero(eights.take(place).view(bool))
    return (place << 3).take(found >> 3) + (found & 7)


def ids_in(pixels: np.ndarray) -> np.ndarray:
    """The different values of a map (H, W), int64, in rising order."""
    flat = pixels.reshape(-1)
    return np.unique(flat[run_starts(flat)]).astype(np.int64)


def look_up(known: np.ndarray, values: np.ndarray, factor: int = GOLDEN) -> np.ndarray:
    """The place in ``known`` (S,) of each of ``values`` (N,), both int64; any place for a value that is not there.

    By hashing into a table that fits into the cache: a value costs a product and a look. Ids that lose their slot to
    another, which few do, are looked up in a table of their own.

    Args:
        known: different ids.
        values: what to look up.
        factor: odd multiplier of the hash.
    """
    bits = min(2 * len(known).bit_length(), max(MOST_BITS, len(known).bit_length() + 3))
    slots, places = _hash(known, factor, bits), np.arange(len(known))
    table = np.zeros(1 << bits, np.int64)
    table[slots] = places
    found = table.take(_hash(values, factor, bits))
    lost = np.flatnonzero(table.take(slots) != places)
    if len(lost):
        wrong = np.flatnonzero(known.take(found) != values)
        found[wrong] = lost.take(look_up(known[lost], values[wrong], factor * GOLDEN % 2**64))
    return found


def sum_pairs(
    rows: np.ndarray, columns: np.ndarray, pixels: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Adds up the pixels of equal pairs.

    Args:
        rows: (N,) int64 below ``shape[0]``.
        columns: (N,) int64 below ``shape[1]``.
        pixels: (N,) int64, number of pixels of each pair.
        shape: bounds of rows and columns.

    Returns:
        Row, column and sum, float64, of the M different pairs (M,).
    """
    if shape[0] * shape[1] <= SPARSE * len(rows):
        table = np.bincount(rows * shape[1] + columns, pixels, shape[0] * shape[1])
        found = np.flatnonzero(table)
        return *np.divmod(found, shape[1]), table.take(found)
    table = coo_array((pixels.astype(float), (rows, columns)), shape).tocsr().tocoo()
    return *table.coords, table.data


def _hash(values: np.ndarray, factor: int, bits: int) -> np.ndarray:
    slots = values.view(np.uint64) * np.uint64(factor)
    slots >>= np.uint64(64 - bits)
    return slots.view(np.int64)
