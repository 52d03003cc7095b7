"""Run-length encoded masks of others, checked before pycocotools, whose C code trusts them, decodes them.

Source: pycocotools' ``common/maskApi.c``. A column-major mask is a list of lengths of runs, in turn of 0 and 1. As
text, each length is base 32 with its low digits first; bit 5 of a character says that another follows. From the fourth
length on it is the difference to the length before the last.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FIRST, CHARACTERS = 48, 64  # "0" is digit 0
MORE, SIGN, DIGIT = 0x20, 0x10, 0x1F
DIGITS = 8  # of a length, which is below 2^40


def run_lengths(counts: str) -> np.ndarray | None:
    """Return the lengths of runs (N,) int64 that a text says, or None where it says none.

    Args:
        counts: ``counts`` of a compressed mask.
    """
    if not counts or not counts.isascii():
        return None
    codes = np.frombuffer(counts.encode("ascii"), np.uint8).astype(np.int64) - FIRST
    if codes.min() < 0 or codes.max() >= CHARACTERS or codes[-1] & MORE:
        return None
    ends = np.flatnonzero((codes & MORE) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    sizes = ends - starts + 1
    if sizes.max() > DIGITS:
        return None
    places = np.arange(len(codes)) - np.repeat(starts, sizes)
    values = np.add.reduceat((codes & DIGIT) << (5 * places), starts)
    values -= np.where(codes[ends] & SIGN, np.int64(1) << (5 * sizes), 0)
    lengths = values.copy()
    for parity in (1, 2):  # the first three are lengths themselves; the others add up in steps of two
        lengths[parity::2] = np.cumsum(values[parity::2])
    return lengths


def covers(counts: str | Sequence[int], size: tuple[int, int]) -> bool:
    """Whether a mask has as many pixels as its size says.

    Args:
        counts: of a mask, compressed or as a list of lengths.
        size: height and width in pixels.
    """
    lengths = run_lengths(counts) if isinstance(counts, str) else np.asarray(counts, np.int64)
    return lengths is not None and bool((lengths >= 0).all()) and int(lengths.sum()) == size[0] * size[1]
