"""Runs of equal pixels, and the numbering of what they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy import ndarray

from .errors import UserError

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, an odd number: a multiplier that spreads ids well
MOST_BITS = 16  # of a hash table in the cache, 0.5 MB, where that holds the ids eight times


@dataclass(frozen=True, eq=False)
class Runs:
    """A map as runs of equal pixels, row after row. There are far fewer runs than pixels.

    Attributes:
        starts: (R,) int64, rising: the first pixel of each run in the flat map.
        values: (R,) integers.
        shape: (H, W) of the map.
    """

    starts: ndarray
    values: ndarray
    shape: tuple[int, int]

    @classmethod
    def of(cls, pixels: ndarray) -> Runs:
        """Return the runs of a map (H, W)."""
        flat = pixels.reshape(-1)
        starts = run_starts(flat)
        return cls(starts, flat[starts], (pixels.shape[0], pixels.shape[1]))

    @property
    def size(self) -> int:
        """Number of pixels of the map."""
        return self.shape[0] * self.shape[1]

    @cached_property
    def lengths(self) -> ndarray:
        """(R,) int64 pixels of each run."""
        return np.diff(self.starts, append=self.size)

    def pixels(self) -> ndarray:
        """Return the map (H, W)."""
        return np.repeat(self.values, self.lengths).reshape(self.shape)

    def with_values(self, values: ndarray) -> Runs:
        """Return the same runs with other values (R,)."""
        return Runs(self.starts, values, self.shape)


def run_starts(flat: ndarray) -> ndarray:
    """Return the indices into a map (N,) where a pixel differs from the one before it; the first pixel does."""
    size = len(flat)
    starts = np.empty(-(-size // 8) * 8, bool)
    starts[:1], starts[size:] = True, False
    np.not_equal(flat[1:], flat[:-1], out=starts[1:size])
    # In two steps, first eight pixels at once: numpy's search slows down where few of very many are true.
    eights = starts.view(np.uint64)
    place = np.flatnonzero(eights != 0)
    found = np.flatnonzero(eights.take(place).view(bool))
    return (place << 3).take(found >> 3) + (found & 7)


def values_in(pixels: ndarray) -> ndarray:
    """Return the different values of a map (H, W), int64, in rising order."""
    return np.unique(Runs.of(pixels).values).astype(np.int64)


def number_pixels(values: ndarray, known: ndarray, void: int, name: str) -> tuple[Runs, ndarray]:
    """Find each pixel's value in a list.

    Args:
        values: (H, W) integers.
        known: (S,) int64, the values of segments.
        void: the value of pixels that are in no segment.
        name: what an error calls the map.

    Returns:
        Runs of int32, the place in ``known`` plus 1, and 0 for void and values that are not known; and these values.

    Raises:
        UserError: a value is twice in ``known``, or is that of void.
    """
    known = np.append(void, known)
    in_order = np.sort(known)
    twice = in_order[1:][in_order[1:] == in_order[:-1]]
    if len(twice):
        what = f"is VOID's ({void})" if void in twice else "belongs to more than one segment"
        wrong = void if void in twice else int(twice[0])
        raise UserError(f"{name}: the segment id {wrong} {what}; every segment needs one of its own")
    runs = Runs.of(values)
    of_runs = runs.values.astype(np.int64)
    places = look_up(known, of_runs)
    is_unknown = known.take(places) != of_runs
    places[is_unknown] = 0
    return runs.with_values(places.astype(np.int32)), np.unique(of_runs[is_unknown])


def look_up(known: ndarray, values: ndarray, factor: int = GOLDEN) -> ndarray:
    """Return the place in ``known`` (S,) of each of ``values`` (N,), both int64; any place if it is not there.

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


def _hash(values: ndarray, factor: int, bits: int) -> ndarray:
    slots = values.view(np.uint64) * np.uint64(factor)
    slots >>= np.uint64(64 - bits)
    return slots.view(np.int64)
