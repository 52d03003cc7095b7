"""What an image is segmented into, as arrays: by a model or in truth, whatever file or framework it comes from.

:class:`SegmentMap` holds segments that do not overlap, :class:`Instances` objects that may, and
:class:`ImageSegmentation` all that is known about one image. Data samples, COCO's files and exported tables are turned
into these and back by ``det/panoptic_code.py``, ``sample_results.py``, ``coco/annotations.py`` and
``export/tables.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy import ndarray
from scipy import ndimage

from mmmaskformer.errors import UserError, listed

from .numbering import Runs, number_pixels, values_in


@dataclass(frozen=True)
class Segment:
    """One segment of a :class:`SegmentMap`.

    Attributes:
        id: its number in the map, from 1 on.
        label: its class.
        is_thing: whether it is one object, and not the stuff of its class or a crowd.
        area: in pixels.
        box: left, top, right and bottom edge in pixels; the last two lie just outside.
        score: how sure the model is, 0..1; None where there is no score.
        is_crowd: whether it holds several objects without a mask of their own.
    """

    id: int
    label: int
    is_thing: bool
    area: int
    box: tuple[int, int, int, int]
    score: float | None = None
    is_crowd: bool = False


@dataclass(frozen=True, eq=False)
class SegmentMap:
    """Segments of an image, each pixel in one at most.

    Attributes:
        runs: of int32, the segment of each pixel, numbered 1..S; 0 is void.
        labels: (S,) int64 classes.
        is_thing: (S,) bool, whether a segment is one object, and not the stuff of its class or a crowd.
        scores: (S,) 0..1; None where there are no scores.
        crowd: (S,) bool, whether a segment holds several objects without a mask of their own; None for no such segment.
    """

    runs: Runs
    labels: ndarray
    is_thing: ndarray
    scores: ndarray | None = None
    crowd: ndarray | None = None

    @classmethod
    def from_ids(
        cls,
        ids: ndarray,
        labels: ndarray,
        is_thing: ndarray,
        scores: ndarray | None = None,
        crowd: ndarray | None = None,
    ) -> SegmentMap:
        """From a map (H, W) int32 that is numbered already."""
        found = cls(Runs.of(ids), labels, is_thing, scores, crowd)
        vars(found)["ids"] = ids
        return found

    @classmethod
    def from_values(
        cls,
        values: ndarray,
        known: Sequence[int] | ndarray,
        labels: Sequence[int] | ndarray,
        is_thing: Sequence[bool] | ndarray,
        scores: Sequence[float] | ndarray | None = None,
        crowd: Sequence[bool] | ndarray | None = None,
        void: int = 0,
        name: str | None = None,
    ) -> SegmentMap:
        """Give numbers to the segments of a map, in the order of a list.

        Args:
            values: (H, W) integers, what the segment of each pixel is called.
            known: (S,) what each segment of the list is called.
            labels: (S,) classes.
            is_thing: (S,) whether a segment is one object.
            scores: (S,) if there are any.
            crowd: (S,) whether a segment is a crowd, if any is.
            void: the value of pixels that are in no segment.
            name: what errors call the map. Without a name, map and list need not agree: values that are not in the
                list become void, and segments that have no pixel are left out.

        Raises:
            UserError: two segments of the list have one value, or one has that of void; map and list do not agree.
        """
        values_of_segments = np.asarray(known, np.int64)
        runs, unknown = number_pixels(values, values_of_segments, void, name or "panoptic map")
        found = cls(
            runs,
            np.asarray(labels, np.int64),
            np.asarray(is_thing, bool),
            None if scores is None else np.asarray(scores, np.float64),
            None if crowd is None else np.asarray(crowd, bool),
        )
        empty = np.ones(len(found) + 1, bool)
        empty[runs.values] = False
        empty = empty[1:]
        if name is None:
            return found.only(~empty) if empty.any() else found
        if len(unknown):
            raise UserError(
                f"{name}: the map has the ids {listed(unknown)}, which are not among its {len(known)} segments (VOID "
                f"is {void}). (mmdet's own data sets leave out segments with an empty box; "
                "mmmaskformer.CheckedPanopticDataset does not.)"
            )
        if empty.any():
            raise UserError(f"{name}: the segments {listed(values_of_segments[empty])} have no pixel in the map")
        return found

    @classmethod
    def from_label_map(cls, label_map: ndarray, void: int) -> SegmentMap:
        """Each class in a label map (H, W) is one segment of stuff, and so is each label that is no class."""
        present = values_in(label_map)
        present = present[present != void]
        return cls.from_values(label_map, present, present, np.zeros(len(present), bool), void=void)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.runs.shape

    @cached_property
    def ids(self) -> ndarray:
        """(H, W) int32, the segment of each pixel, numbered 1..S; 0 is void."""
        return self.runs.pixels()

    @cached_property
    def areas(self) -> ndarray:
        """(S,) int64 pixels of each segment."""
        return np.bincount(self.runs.values, self.runs.lengths, len(self) + 1)[1:].astype(np.int64)

    @cached_property
    def boxes(self) -> ndarray:
        """(S, 4) int64: left, top, right and bottom edge; the last two lie just outside. Zeros without a pixel."""
        found = ndimage.find_objects(self.ids, max(len(self), 1))[: len(self)]
        boxes = [(0, 0, 0, 0) if at is None else (at[1].start, at[0].start, at[1].stop, at[0].stop) for at in found]
        return np.array(boxes, np.int64).reshape(-1, 4)

    @cached_property
    def crowds(self) -> ndarray:
        """(S,) bool, ``crowd`` with False for all where it is None."""
        return np.zeros(len(self), bool) if self.crowd is None else self.crowd

    @cached_property
    def segments(self) -> list[Segment]:
        """The segments one by one, in the order of their numbers."""
        scores = [None] * len(self) if self.scores is None else self.scores.tolist()
        columns = (self.labels, self.is_thing, self.areas, self.boxes)
        rows = zip(*(column.tolist() for column in columns), scores, self.crowds.tolist())
        return [
            Segment(number, label, is_thing, area, tuple(box), score, crowd)
            for number, (label, is_thing, area, box, score, crowd) in enumerate(rows, 1)
        ]

    def label_map(self, void: int) -> ndarray:
        """(H, W) int32, the class of each pixel."""
        labels = np.append(void, self.labels).astype(np.int32)
        return self.runs.with_values(labels[self.runs.values]).pixels()

    def masks(self, segments: ndarray) -> ndarray:
        """(n, H, W) bool masks of some segments (n,), numbered from 1."""
        return self.ids == np.asarray(segments, np.int32)[:, None, None]

    def only(self, kept: ndarray) -> SegmentMap:
        """Those segments for which ``kept`` (S,) is True, numbered anew; the others become void."""
        table = np.append(0, np.cumsum(kept) * kept).astype(np.int32)
        scores, crowd = (None if column is None else column[kept] for column in (self.scores, self.crowd))
        runs = self.runs.with_values(table[self.runs.values])
        return SegmentMap(runs, self.labels[kept], self.is_thing[kept], scores, crowd)

    def things(self) -> Instances:
        """Return the things as instances."""
        chosen = np.flatnonzero(self.is_thing)
        scores = None if self.scores is None else self.scores[chosen]
        return Instances(self.labels[chosen], scores, self.boxes[chosen].astype(np.float32), self.masks(chosen + 1))


@dataclass(frozen=True, eq=False)
class Instances:
    """Objects with masks that may overlap.

    Attributes:
        labels: (n,) int64 classes.
        scores: (n,) float32, 0..1; None for true objects.
        boxes: (n, 4) float32, left, top, right and bottom edge in pixels.
        masks: (n, H, W) bool.
    """

    labels: ndarray
    scores: ndarray | None
    boxes: ndarray
    masks: ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def areas(self) -> ndarray:
        """(n,) int64 pixels of each mask."""
        return self.masks.sum((1, 2))

    def above(self, score: float) -> Instances:
        """Those of at least this score, the surest first; all of true objects."""
        if self.scores is None:
            return self
        kept = np.flatnonzero(self.scores >= score)
        kept = kept[np.argsort(-self.scores[kept], kind="stable")]
        return Instances(self.labels[kept], self.scores[kept], self.boxes[kept], self.masks[kept])

    def layered(self) -> SegmentMap:
        """Lay the instances over each other: small ones on large ones, and of about equal ones the surest on top.

        Instance i has the number i + 1 in the map, where one that is hidden by others has no pixel.
        """
        # Areas are compared by powers of two: two masks of one object are never quite equal.
        sizes = np.log2(self.areas.clip(min=1)).round()
        ids = np.zeros(self.masks.shape[1:], np.int32)
        scores = np.zeros(len(self)) if self.scores is None else self.scores
        for index in np.lexsort((scores, -sizes)):
            ids[self.masks[index]] = index + 1
        return SegmentMap.from_ids(ids, self.labels, np.ones(len(self), bool), self.scores)


@dataclass(frozen=True)
class ImageSegmentation:
    """What is known about one image; None for what was not asked for or is not known.

    Attributes:
        labels: (H, W) integers, the class of each pixel; anything that is no class is void.
        panoptic: segments, no two of which overlap.
        instances: objects with their masks.
    """

    labels: ndarray | None = None
    panoptic: SegmentMap | None = None
    instances: Instances | None = None
