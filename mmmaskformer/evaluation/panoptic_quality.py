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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmmaskformer.coco.panoptic_json import Segment
from mmmaskformer.errors import UserError
from mmmaskformer.evaluation.overlaps import ids_in, look_up, run_starts, sum_pairs


@dataclass(frozen=True)
class PanopticMap:
    """One image's segments, predicted or true.

    Attributes:
        pixels: (H, W) of any integer type, the id of the segment that each pixel belongs to.
        ids: (S,) int64, the segments' ids, in any order.
        labels: (S,) int64, the segments' classes 0..K-1.
        crowd: (S,) bool, whether a segment is a group that nobody told apart; None for no such segment.
        void: the id of pixels that belong to no segment.
        name: what errors call the map, for instance its file.
    """

    pixels: np.ndarray
    ids: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray | None = None
    void: int = 0
    name: str = "panoptic map"

    @classmethod
    def from_segments(
        cls, pixels: np.ndarray, segments: Sequence[Segment], class_of: Mapping[int, int], name: str
    ) -> PanopticMap:
        """From COCO's panoptic format.

        Args:
            pixels: (H, W) ids, 0 is VOID; see :func:`mmmaskformer.coco.panoptic_png.read_panoptic_png`.
            segments: of the image.
            class_of: class 0..K-1 of each category id.
            name: what errors call the map.

        Raises:
            UserError: a segment's category is not in ``class_of``.
        """
        try:
            labels = [class_of[segment.category_id] for segment in segments]
        except KeyError:
            wrong = next(segment for segment in segments if segment.category_id not in class_of)
            raise UserError(
                f"{name}: segment {wrong.id} has category_id {wrong.category_id}, which is none of the "
                f"{len(class_of)} categories of the classes"
            ) from None
        return cls(
            pixels,
            np.array([segment.id for segment in segments], np.int64),
            np.array(labels, np.int64),
            np.array([segment.iscrowd for segment in segments], bool),
            name=name,
        )

    @classmethod
    def from_semantic_map(cls, labels: np.ndarray, void: int, name: str) -> PanopticMap:
        """From a semantic map (H, W): each class in it is one segment, and so is each label that is no class."""
        present = ids_in(labels)
        present = present[present != void]
        return cls(labels, present, present, void=void, name=name)

    def segment_of(self, pixels: np.ndarray) -> np.ndarray:
        """Which segment each of some pixels (N,) int64 belongs to: its place in ``ids`` plus 1, or 0 for VOID.

        Raises:
            UserError: a pixel has an id that is neither a segment's nor VOID, or two segments share an id.
        """
        known = np.concatenate([[self.void], self.ids]).astype(np.int64)
        in_order = np.sort(known)
        twice = in_order[1:][in_order[1:] == in_order[:-1]]
        if len(twice):
            what = f"is VOID's ({self.void})" if self.void in twice else "belongs to more than one segment"
            wrong = self.void if self.void in twice else int(twice[0])
            raise UserError(f"{self.name}: the segment id {wrong} {what}; every segment needs one of its own")
        place = look_up(known, pixels)
        unknown = known.take(place) != pixels
        if unknown.any():
            raise UserError(
                f"{self.name}: the map has the ids {_some(np.unique(pixels[unknown]))}, which are not among its "
                f"{len(self.ids)} segments (VOID is {self.void})"
            )
        return place


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
        """The sum of what :meth:`pack` gave for any number of images."""
        counts = cls.zeros(num_classes)
        for rows in packed:
            counts.values[rows[:, 0].astype(int)] += rows[:, 1:]
        return counts


def count_matches(prediction: PanopticMap, truth: PanopticMap, num_classes: int) -> PanopticCounts:
    """Matches one image's predicted with its true segments.

    Raises:
        UserError: the maps differ in size; a map has ids that its segments lack or the other way round; a label is no
            class.
    """
    shared = overlaps(prediction, truth)
    _check_labels(prediction, num_classes)
    _check_labels(truth, num_classes)
    crowd = np.zeros(len(truth.ids), bool) if truth.crowd is None else truth.crowd

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
        """The pairs of segments with equal labels: predicted and true, numbered from 0, and their pixels."""
        chosen = (self.predicted > 0) & (self.true > 0)
        predicted, true, pixels = self.predicted[chosen] - 1, self.true[chosen] - 1, self.pixels[chosen]
        chosen = predicted_labels[predicted] == true_labels[true]
        return predicted[chosen], true[chosen], pixels[chosen]


def overlaps(prediction: PanopticMap, truth: PanopticMap) -> Overlaps:
    """What predicted and true segments share.

    A row of pixels crosses few segments, so the pair of ids is looked up once for every run of equal pairs; all that is
    done for every pixel is to compare it with its neighbor.

    Raises:
        UserError: see :func:`count_matches`.
    """
    if prediction.pixels.shape != truth.pixels.shape:
        raise UserError(
            f"{prediction.name} has the size {prediction.pixels.shape}, but {truth.name} has {truth.pixels.shape}"
        )
    predicted, true = prediction.pixels.reshape(-1), truth.pixels.reshape(-1)
    starts = run_starts(predicted, true)
    rows = prediction.segment_of(predicted[starts].astype(np.int64))
    columns = truth.segment_of(true[starts].astype(np.int64))
    shape = len(prediction.ids) + 1, len(truth.ids) + 1
    rows, columns, pixels = sum_pairs(rows, columns, np.diff(starts, append=len(true)), shape)
    areas = [np.bincount(places, pixels, size) for places, size in zip((rows, columns), shape)]
    for side, area in zip((prediction, truth), areas):
        if not area[1:].all():
            raise UserError(f"{side.name}: the segments {_some(side.ids[area[1:] == 0])} have no pixel in the map")
    return Overlaps(rows, columns, pixels, *areas)


def _check_labels(segments: PanopticMap, num_classes: int) -> None:
    wrong = (segments.labels < 0) | (segments.labels >= num_classes)
    if wrong.any():
        raise UserError(
            f"{segments.name}: label {_some(np.unique(segments.labels[wrong]))}; expected 0..{num_classes - 1} "
            f"({num_classes} classes) or VOID ({segments.void})"
        )


def _some(values: np.ndarray, most: int = 10) -> str:
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(map(str, values[:most].tolist())) + more
