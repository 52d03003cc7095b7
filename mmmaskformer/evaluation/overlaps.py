"""How many pixels the segments of two maps share, at a cost that grows with pixels and with pairs that overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array

from mmmaskformer.numbering import Runs
from mmmaskformer.segments import SegmentMap

SPARSE = 8  # cells per pair up to which a whole table is faster than a list


@dataclass(frozen=True)
class Overlaps:
    """The pixels that predicted and true segments share. Segments are numbered from 1, and 0 is VOID.

    Attributes:
        predicted: (N,) int64, the predicted segment of each pair that shares pixels.
        true: (N,) int64, its true segment.
        pixels: (N,) float64, how many pixels they share.
        predicted_areas: (P+1,) float64, pixels of each predicted segment.
        true_areas: (T+1,) float64, pixels of each true segment.
    """

    predicted: np.ndarray
    true: np.ndarray
    pixels: np.ndarray
    predicted_areas: np.ndarray
    true_areas: np.ndarray

    def in_true_void(self) -> np.ndarray:
        """(P,) float64, pixels of each predicted segment that are VOID in the truth."""
        void = self.true == 0
        return np.bincount(self.predicted[void], self.pixels[void], len(self.predicted_areas))[1:]

    def of_one_class(
        self, predicted_labels: np.ndarray, true_labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the pairs of segments with equal labels: predicted and true, numbered from 0, and their pixels."""
        chosen = (self.predicted > 0) & (self.true > 0)
        predicted, true, pixels = self.predicted[chosen] - 1, self.true[chosen] - 1, self.pixels[chosen]
        chosen = predicted_labels[predicted] == true_labels[true]
        return predicted[chosen], true[chosen], pixels[chosen]


def overlaps(prediction: SegmentMap, truth: SegmentMap) -> Overlaps:
    """Return what predicted and true segments of one image share.

    A row of pixels crosses few segments, so nothing is done for every pixel.
    """
    shape = len(prediction) + 1, len(truth) + 1
    rows, columns, lengths = common_runs(prediction.runs, truth.runs)
    rows, columns, pixels = sum_pairs(rows, columns, lengths, shape)
    areas = [np.bincount(places, pixels, size) for places, size in zip((rows, columns), shape)]
    return Overlaps(rows, columns, pixels, *areas)


def common_runs(one: Runs, other: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the runs in which two maps of one size are both constant: values (R,) of each, and lengths (R,).

    Where a run begins in both maps, there is an entry without a pixel as well, whose values mean nothing.
    """
    starts = np.concatenate([one.starts, other.starts])
    order = np.argsort(starts, kind="stable")  # merges two sorted lists
    of_other = np.cumsum(order >= len(one.starts)) - 1
    of_one = np.arange(len(order)) - of_other - 1
    lengths = np.diff(starts.take(order), append=one.size)
    return one.values.take(of_one), other.values.take(of_other), lengths


def sum_pairs(
    rows: np.ndarray, columns: np.ndarray, pixels: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add up the pixels of equal pairs.

    Args:
        rows: (N,) integers below ``shape[0]``.
        columns: (N,) integers below ``shape[1]``.
        pixels: (N,) int64, number of pixels of each pair; pairs that have none are left out.
        shape: bounds of rows and columns.

    Returns:
        Row, column and sum, float64, of the M different pairs (M,).
    """
    if shape[0] * shape[1] <= SPARSE * len(rows):
        table = np.bincount(rows * shape[1] + columns, pixels, shape[0] * shape[1])
        found = np.flatnonzero(table)
        return *np.divmod(found, shape[1]), table.take(found)
    table = coo_array((pixels.astype(float), (rows, columns)), shape).tocsr()
    table.eliminate_zeros()
    table = table.tocoo()
    return *table.coords, table.data
