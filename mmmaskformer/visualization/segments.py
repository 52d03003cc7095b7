"""Segments of a picture, whoever found them: a map of their numbers and a list that says what they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray
from scipy import ndimage

INSTANCE_OFFSET = 1000  # mmdet's panoptic maps hold class + 1000 * instance, instances from 1 on, 0 for stuff


@dataclass(frozen=True)
class Segment:
    """One segment of a :class:`SegmentMap`.

    Attributes:
        id: its number in the map, from 1 on.
        label: its class.
        is_thing: whether it is one object, and not the stuff of its class or a crowd.
        area: in pixels.
        box: left, top, right and bottom edge in pixels; the last two lie just outside.
        score: how sure the model is, 0..1; None where nobody says.
        is_crowd: whether it holds several objects that nobody told apart.
    """

    id: int
    label: int
    is_thing: bool
    area: int
    box: tuple[int, int, int, int]
    score: float | None = None
    is_crowd: bool = False


@dataclass(frozen=True)
class SegmentMap:
    """What a picture consists of, each pixel in one segment at most.

    Attributes:
        ids: (H, W) int32, the number of each pixel's segment; 0 is void.
        segments: what they are, in the order of their numbers.
    """

    ids: ndarray
    segments: list[Segment]

    def labels(self, void: int) -> ndarray:
        """(H, W) int32, the class of each pixel."""
        return np.array([void, *(segment.label for segment in self.segments)], np.int32)[self.ids]


@dataclass(frozen=True)
class Instances:
    """Objects with masks that may overlap.

    Attributes:
        labels: (n,) int64 classes.
        scores: (n,) float32, 0..1.
        boxes: (n, 4) float32, left, top, right and bottom edge in pixels.
        masks: (n, H, W) bool.
    """

    labels: ndarray
    scores: ndarray
    boxes: ndarray
    masks: ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def above(self, score: float) -> Instances:
        """Those of at least this score, the surest first."""
        kept = np.flatnonzero(self.scores >= score)
        kept = kept[np.argsort(-self.scores[kept], kind="stable")]
        return Instances(self.labels[kept], self.scores[kept], self.boxes[kept], self.masks[kept])


def predicted_segments(encoded: ndarray, num_classes: int, found: Mapping[str, Sequence] | None = None) -> SegmentMap:
    """Reads a panoptic prediction.

    Args:
        encoded: (H, W) integers, class + 1000 * instance as mmdet encodes it; ``num_classes`` is void.
        num_classes: K.
        found: ``ids`` (values in the map), ``labels`` and ``scores`` of the segments. Without it, as mmdet's own
            MaskFormer has none, the map alone says what there is, and nobody knows scores.
    """
    if found is None:
        values = [int(value) for value in np.unique(encoded) if value != num_classes]
        labels, scores = [value % INSTANCE_OFFSET for value in values], [None] * len(values)
    else:
        values, labels, scores = (np.asarray(found[key]).tolist() for key in ("ids", "labels", "scores"))
    attributes = [
        dict(label=label, is_thing=value >= INSTANCE_OFFSET, score=score)
        for value, label, score in zip(values, labels, scores)
    ]
    return _number(encoded, values, attributes)


def true_segments(ids: ndarray, segments_info: Iterable[Mapping[str, Any]], num_things: int) -> SegmentMap:
    """Reads the panoptic truth that mmdet's CocoPanopticDataset points to.

    Args:
        ids: (H, W) integers, the numbers of a COCO panoptic PNG.
        segments_info: for each segment ``id``, ``category`` (its class) and ``is_thing``, which is False for a crowd.
        num_things: the classes below are things.
    """
    segments_info = list(segments_info)
    attributes = [
        dict(
            label=info["category"],
            is_thing=bool(info["is_thing"]),
            is_crowd=info["category"] < num_things and not info["is_thing"],
        )
        for info in segments_info
    ]
    return _number(ids, [info["id"] for info in segments_info], attributes)


def visible_segments(instances: Instances) -> SegmentMap:
    """Lays instances over each other: small ones on large ones, and of about equal ones the surest on top."""
    # Areas are told apart by powers of two: two masks of one object are never quite equal.
    sizes = np.log2(instances.masks.sum((1, 2)).clip(min=1)).round()
    ids = np.zeros(instances.masks.shape[1:], np.int32)
    for index in np.lexsort((instances.scores, -sizes)):
        ids[instances.masks[index]] = index + 1
    attributes = [
        dict(label=int(label), is_thing=True, score=float(score))
        for label, score in zip(instances.labels, instances.scores)
    ]
    return _number(ids, range(1, len(instances) + 1), attributes)


def _number(values: ndarray, known: Sequence[int], attributes: Sequence[dict]) -> SegmentMap:
    """Numbers segments from 1 on; values that nobody knows become void, segments without a pixel are left out."""
    if not len(known):
        return SegmentMap(np.zeros(values.shape, np.int32), [])
    order = np.argsort(known)
    ascending = np.asarray(known)[order]
    place = np.searchsorted(ascending, values).clip(max=len(known) - 1)
    index = np.where(ascending[place] == values, order[place], len(known))
    areas = np.bincount(index.ravel(), minlength=len(known) + 1)[:-1]
    present = np.flatnonzero(areas)
    table = np.zeros(len(known) + 1, np.int32)
    table[present] = np.arange(1, len(present) + 1)
    ids = table[index]
    segments = []
    for number, (which, (rows, columns)) in enumerate(zip(present, ndimage.find_objects(ids)), 1):
        box = (columns.start, rows.start, columns.stop, rows.stop)
        segments.append(Segment(id=number, area=int(areas[which]), box=box, **attributes[which]))
    return SegmentMap(ids, segments)
