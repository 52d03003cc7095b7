"""Panoptic quality (PQ): every image is a list of pairs of segments that overlap; everything else is sums over it.

PQ of a class is the sum of the IoUs of its matched segments over TP + FP/2 + FN/2. It is SQ (the mean IoU of matched
segments) times RQ (an F1 score). Source: Kirillov et al., "Panoptic Segmentation", Sec. 4, with the rules for VOID and
crowd of its reference evaluation, panopticapi:

- a predicted and a true segment of the same class match if their IoU exceeds 0.5, where the predicted segment's pixels
  in VOID count neither for nor against it;
- a true crowd segment is never matched and never missed;
- an unmatched predicted segment is no false positive if more than half of it lies in VOID and in crowds of its class.

Three things are decided otherwise than in panopticapi:

- Of several crowd segments of a class in an image it keeps the last one. Here all of them count, as the rule says.
- It divides by zero where no class of a group (all, things, stuff) occurs. A mean over nothing is nan here: 0 would
  read as a model that fails, and an error would take the other groups' numbers along.
- It takes the area of a true segment from the JSON, and lets the truth's PNG and JSON disagree. Here areas are counted
  in the map, and ids in one but not in the other are an error, as they are for predictions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mmmaskformer.errors import UserError, listed
from mmmaskformer.evaluation.overlaps import overlaps
from mmmaskformer.segments import SegmentMap


@dataclass(frozen=True)
class Quality:
    """Means over the classes of a group that occur, each of 0..1, nan where none occurs; and how many occur."""

    pq: float
    sq: float
    rq: float
    num_classes: int


@dataclass(frozen=True)
class PanopticCounts:
    """What PQ is made of, of one image or, added up, of many.

    Attributes:
        values: (K, 4) float64; columns are the sum of the IoUs of matched segments, TP, FP and FN.
    """

    values: np.ndarray

    @classmethod
    def zeros(cls, num_classes: int) -> PanopticCounts:
        """Of no image at all."""
        return cls(np.zeros((num_classes, 4)))

    def __add__(self, other: PanopticCounts) -> PanopticCounts:
        return PanopticCounts(self.values + other.values)

    @property
    def present(self) -> np.ndarray:
        """(K,) bool: whether the class was predicted or missed or matched; others take no part in means."""
        return self.values[:, 1:].any(1)

    def per_class(self) -> np.ndarray:
        """PQ, SQ and RQ of each class (K, 3), of 0..1; 0 for classes that are not :attr:`present`."""
        iou, tp, fp, fn = self.values.T
        # A class that occurs has at least 0.5, and one with a match at least 1 TP: the bounds only replace zeros.
        size = np.maximum(tp + fp / 2 + fn / 2, 0.5)
        return np.stack([iou / size, iou / np.maximum(tp, 1), tp / size], 1)

    def mean(self, classes: np.ndarray | None = None) -> Quality:
        """Over those of ``classes`` (K,) bool, by default all, that are :attr:`present`."""
        chosen = self.present if classes is None else self.present & classes
        if not chosen.any():
            return Quality(np.nan, np.nan, np.nan, 0)
        return Quality(*self.per_class()[chosen].mean(0).tolist(), int(chosen.sum()))

    def pack(self) -> np.ndarray:
        """Rows (C, 5) of the C classes that occur, the class first: small enough to send for every image."""
        present = np.flatnonzero(self.present)
        return np.column_stack([present, self.values[present]])

    @classmethod
    def unpack(cls, packed: Iterable[np.ndarray], num_classes: int) -> PanopticCounts:
        """Return the sum of what :meth:`pack` gave for any number of images."""
        counts = cls.zeros(num_classes)
        for rows in packed:
            counts.values[rows[:, 0].astype(int)] += rows[:, 1:]
        return counts


def count_matches(
    prediction: SegmentMap,
    truth: SegmentMap,
    num_classes: int,
    names: tuple[str, str] = ("the prediction", "the truth"),
) -> PanopticCounts:
    """Match one image's predicted with its true segments.

    Args:
        prediction: the segments that were found.
        truth: those that are there; each must have a pixel.
        num_classes: K.
        names: what errors call the two.

    Raises:
        UserError: the maps differ in size; a label is no class.
    """
    if prediction.shape != truth.shape:
        raise UserError(f"{names[0]} has the size {prediction.shape}, but {names[1]} has {truth.shape}")
    for segments, name in zip((prediction, truth), names):
        _check_labels(segments, num_classes, name)
    shared, crowd = overlaps(prediction, truth), truth.crowds

    predicted, true, pixels = shared.of_one_class(prediction.labels, truth.labels)
    area, in_void = shared.predicted_areas[1:], shared.in_true_void()
    iou = pixels / ((area - in_void)[predicted] + shared.true_areas[1:][true] - pixels)
    in_crowd = crowd[true]
    matched = ~in_crowd & (iou > 0.5)

    excused = in_void + np.bincount(predicted[in_crowd], pixels[in_crowd], len(area))
    is_found, is_missed = np.zeros(len(area), bool), ~crowd
    is_found[predicted[matched]] = True
    is_missed[true[matched]] = False
    columns = [
        np.bincount(prediction.labels[predicted[matched]], iou[matched], num_classes),
        np.bincount(prediction.labels[is_found], minlength=num_classes),
        np.bincount(prediction.labels[~is_found & (excused <= 0.5 * area)], minlength=num_classes),
        np.bincount(truth.labels[is_missed], minlength=num_classes),
    ]
    return PanopticCounts(np.stack(columns, 1))


def _check_labels(segments: SegmentMap, num_classes: int, name: str) -> None:
    wrong = (segments.labels < 0) | (segments.labels >= num_classes)
    if wrong.any():
        raise UserError(
            f"{name}: label {listed(np.unique(segments.labels[wrong]))}; expected 0..{num_classes - 1} "
            f"({num_classes} classes) or VOID"
        )
