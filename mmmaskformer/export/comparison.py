"""Two predictions of one image compared: classes, regions and scores, whatever number or place a segment has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from mmmaskformer.evaluation.overlaps import overlaps
from mmmaskformer.segments import Instances, SegmentMap

SAME_REGION = 0.5  # IoU from which two segments are one region, whose class must agree however small it is
SURE, SUREST = 0.5, 10  # score of the instances that are compared, and how many where none has it
SCORE_NOISE = 1e-3  # by which an instance may lie on the other side of a score
CHUNK = 1 << 20  # pixels of all masks that are multiplied at a time


@dataclass
class Difference:
    """Of one kind of result.

    Attributes:
        pixels: how many were compared; of instances, those of all masks.
        differing: how many of them have another class or belong to another segment.
        relabeled: how many segments have the same region and another class.
        score: the largest difference of two scores; None where nothing has scores.
        example: what differs most; empty where nothing does.
    """

    pixels: int = 0
    differing: int = 0
    relabeled: int = 0
    score: float | None = None
    example: str = ""
    example_pixels: int = 0

    @property
    def share(self) -> float:
        """Of the pixels that differ, 0..1."""
        return self.differing / max(self.pixels, 1)

    def count(self, pixels: int, example: str) -> None:
        """Count pixels that differ, and keep the example of the most."""
        self.differing += pixels
        if pixels > self.example_pixels:
            self.example, self.example_pixels = example, pixels

    def count_score(self, one: float, other: float) -> None:
        """Keep the largest difference of scores, of which NaN makes the largest."""
        apart = abs(float(one) - float(other))
        self.score = max(self.score or 0.0, float("inf") if np.isnan(apart) else apart)

    def add(self, image: Difference, name: str) -> None:
        """Take in the difference on one image."""
        self.pixels += image.pixels
        self.differing += image.differing
        self.relabeled += image.relabeled
        if image.score is not None:
            self.count_score(image.score, 0.0)
        if image.example_pixels > self.example_pixels:
            self.example, self.example_pixels = f"{name}: {image.example}", image.example_pixels


def compare_labels(ours: ndarray, theirs: ndarray, names: Sequence[str]) -> Difference:
    """Two label maps (H, W) of classes."""
    found = Difference(pixels=ours.size)
    if not _same_size(ours.shape, theirs.shape, found):
        return found
    unequal = ours != theirs
    pairs, counts = np.unique(np.stack([ours[unequal], theirs[unequal]]), axis=1, return_counts=True)
    for (here, there), pixels in zip(pairs.T, counts.tolist()):
        found.count(pixels, f"{pixels} pixels are {_name(there, names)} in place of {_name(here, names)}")
    return found


def compare_segments(ours: SegmentMap, theirs: SegmentMap, names: Sequence[str]) -> Difference:
    """Two panoptic maps. Segments of one class are paired so that they share most pixels."""
    found = Difference(pixels=ours.runs.size)
    if not _same_size(ours.shape, theirs.shape, found):
        return found
    shape = len(ours) + 1, len(theirs) + 1
    pairs = overlaps(ours, theirs)
    # Row and column 0 are void.
    shared, same, agreeing = np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool)
    shared[pairs.predicted, pairs.true] = pairs.pixels
    same[1:, 1:] = (ours.labels[:, None] == theirs.labels) & (ours.is_thing[:, None] == theirs.is_thing)
    agreeing[0, 0] = True
    for row, column in _pairs(shared * same):
        agreeing[row, column] = True
        if ours.scores is not None and theirs.scores is not None:
            found.count_score(ours.scores[row - 1], theirs.scores[column - 1])
    for row, column in np.argwhere(~agreeing & (shared > 0)):
        pixels = int(shared[row, column])
        here, there = _segment(ours, row, names), _segment(theirs, column, names)
        found.count(pixels, f"{pixels} pixels belong to {there} in place of {here}")
    overlap = shared / np.maximum(pairs.predicted_areas[:, None] + pairs.true_areas - shared, 1)
    found.relabeled = int((overlap >= SAME_REGION)[1:, 1:][~same[1:, 1:]].sum())
    return found


def compare_instances(ours: Instances, theirs: Instances, names: Sequence[str]) -> Difference:
    """Two lists of instances, those of a score of at least 0.5 or else the ten surest, paired by class and mask.

    An instance without a partner differs in all pixels of the image.
    """
    found = Difference()
    least = SURE
    if len(ours) and not (ours.scores >= SURE).any():
        least = float(np.sort(ours.scores)[-SUREST:][0])
    one, other = ours.above(least), theirs.above(least - SCORE_NOISE)
    pixels = int(np.prod(ours.masks.shape[1:]))
    found.pixels = len(one) * pixels
    if not _same_size(ours.masks.shape[1:], theirs.masks.shape[1:], found):
        return found
    shared = _shared_pixels(one.masks, other.masks)
    union = one.areas[:, None] + other.areas - shared
    # Of equal masks those of equal scores.
    closeness = shared / np.maximum(union, 1) + SCORE_NOISE * (1 - np.abs(one.scores[:, None] - other.scores))
    pairs = list(_pairs(closeness * (one.labels[:, None] == other.labels) * (shared > 0)))
    for row, column in pairs:
        found.count_score(one.scores[row], other.scores[column])
        apart = int(union[row, column] - shared[row, column])
        if not apart and np.abs(one.boxes[row] - other.boxes[column]).max() > SCORE_NOISE:
            apart = pixels
        found.count(apart, f"{apart} pixels of the mask or box of {_instance(one, row, names)}")
    for row in set(range(len(one))) - {row for row, _ in pairs}:
        found.count(pixels, f"there is nothing like {_instance(one, row, names)}")
    for column in set(range(len(other))) - {column for _, column in pairs}:
        if other.scores[column] >= least + SCORE_NOISE:
            found.pixels += pixels
            found.count(pixels, f"there is {_instance(other, column, names)} too many")
    return found


def _same_size(ours: Sequence[int], theirs: Sequence[int], found: Difference) -> bool:
    if tuple(ours) == tuple(theirs):
        return True
    found.pixels = max(found.pixels, 1)
    found.count(found.pixels, f"its size is {tuple(theirs)} in place of {tuple(ours)}")
    return False


def _pairs(value: ndarray) -> Iterator[tuple[int, int]]:
    """Rows and columns that belong together for the largest sum; those of value 0 do not."""
    for row, column in zip(*linear_sum_assignment(value, maximize=True)):
        if value[row, column] > 0:
            yield int(row), int(column)


def _shared_pixels(one: ndarray, other: ndarray) -> ndarray:
    """(n, m) pixels that each of n masks has in common with each of m."""
    one, other = (masks.reshape(len(masks), int(np.prod(masks.shape[1:]))) for masks in (one, other))
    step = max(1, CHUNK // max(1, len(one) + len(other)))
    shared = np.zeros((len(one), len(other)))
    for start in range(0, one.shape[1], step):
        part = slice(start, start + step)
        shared += one[:, part].astype(np.float32) @ other[:, part].astype(np.float32).T
    return shared


def _name(label: int, names: Sequence[str]) -> str:
    return repr(names[label]) if 0 <= label < len(names) else "void"


def _segment(found: SegmentMap, number: int, names: Sequence[str]) -> str:
    return "void" if number == 0 else f"segment {number} ({_name(found.labels[number - 1], names)})"


def _instance(found: Instances, index: int, names: Sequence[str]) -> str:
    return f"instance {index} ({_name(int(found.labels[index]), names)}, score {found.scores[index]:.2f})"
