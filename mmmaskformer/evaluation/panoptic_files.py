"""Panoptic quality of predictions in files, as evaluation servers take them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mmmaskformer.coco.annotations import read_ids, segment_map
from mmmaskformer.coco.panoptic_json import (
    annotations_by_image,
    read_panoptic_json,
    read_panoptic_predictions,
    thing_ids,
)
from mmmaskformer.errors import UserError
from mmmaskformer.evaluation.panoptic_quality import PanopticCounts, count_matches

CHUNK = 16  # images per task of a thread


@dataclass(frozen=True)
class FileCounts:
    """What files of predictions are worth.

    Attributes:
        counts: of all images.
        classes: (K,) names of the truth's categories, in its order.
        things: (K,) bool, whether a class is a thing.
    """

    counts: PanopticCounts
    classes: list[str]
    things: np.ndarray


def count_files(
    truth_json: str | os.PathLike,
    predicted_json: str | os.PathLike,
    truth_dir: str | os.PathLike | None = None,
    predicted_dir: str | os.PathLike | None = None,
    threads: int | None = None,
) -> FileCounts:
    """Match predicted with true segments, all from files in COCO's panoptic format.

    Images are shared out to threads, as most of the time goes to the decoding of PNGs.

    Args:
        truth_json: the truth; every image of it that has an annotation is evaluated.
        predicted_json: the predictions.
        truth_dir: folder of the truth's PNGs; by default the JSON's path without its ending.
        predicted_dir: folder of the predictions' PNGs, likewise.
        threads: number of threads; by default one per processor.

    Raises:
        UserError: a file is wrong or missing, an image has no prediction, or JSON and PNG disagree.
    """
    truth, predictions = read_panoptic_json(truth_json), read_panoptic_predictions(predicted_json)
    annotations = annotations_by_image(truth, str(truth_json))
    if not annotations:
        raise UserError(f"{truth_json} has no annotations: there is nothing to compare predictions with")
    without = [annotation.file_name for image, annotation in annotations.items() if image not in predictions]
    if without:
        raise UserError(
            f"{predicted_json} has no annotation for {len(without)} of {len(annotations)} images of {truth_json}, the "
            f"first: {without[0]}"
        )
    thing_categories = thing_ids(truth, str(truth_json))
    things = np.array([category.id in thing_categories for category in truth.categories], bool)
    class_of = {category.id: label for label, category in enumerate(truth.categories)}
    folders = [str(folder or os.path.splitext(json)[0]) for folder, json in
               ((predicted_dir, predicted_json), (truth_dir, truth_json))]  # fmt: skip

    def count(images: Sequence[int | str]) -> PanopticCounts:
        counts = PanopticCounts.zeros(len(class_of))
        for image in images:
            sides = predictions[image], annotations[image]
            paths = tuple(os.path.join(folder, side.file_name) for folder, side in zip(folders, sides))
            pair = (
                segment_map(read_ids(path), side.segments_info, class_of, things, path)
                for path, side in zip(paths, sides)
            )
            counts += count_matches(*pair, len(class_of), paths)
        return counts

    images = list(annotations)
    pool = ThreadPoolExecutor(threads or len(os.sched_getaffinity(0)))
    try:
        chunks = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
        counts = sum(pool.map(count, chunks), PanopticCounts.zeros(len(class_of)))
    finally:
        pool.shutdown(cancel_futures=True)
    return FileCounts(
        counts,
        [category.name for category in truth.categories],
        things,
    )
