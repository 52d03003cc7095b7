"""Segments and instances as entries of COCO's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine import fileio
from numpy import ndarray
from pycocotools import mask as coco_mask

from mmmaskformer.coco.panoptic_json import Segment
from mmmaskformer.coco.panoptic_png import read_panoptic_png
from mmmaskformer.errors import UserError
from mmmaskformer.segments import SegmentMap


def read_ids(path: str, backend_args: Mapping | None = None) -> ndarray:
    """Segment ids (H, W) of a panoptic PNG that may lie behind one of MMEngine's storage backends.

    Raises:
        UserError: the file is missing or broken.
    """
    try:
        content = bytes(fileio.get(path, backend_args=backend_args))
    except FileNotFoundError as error:
        raise UserError(f"panoptic PNG {path} does not exist") from error
    return read_panoptic_png(content, name=str(path))


def segment_map(
    ids: ndarray, segments: Sequence[Segment], class_of: Mapping[int, int], things: Sequence[bool], name: str
) -> SegmentMap:
    """Return the segments of a panoptic PNG and its entry of the JSON.

    Args:
        ids: (H, W) of the PNG, 0 is void.
        segments: of the JSON.
        class_of: class 0..K-1 of each category id.
        things: (K,) whether a class is countable.
        name: what errors call the PNG.

    Raises:
        UserError: a segment's category is not in ``class_of``; PNG and JSON have different segments.
    """
    foreign = [segment for segment in segments if segment.category_id not in class_of]
    if foreign:
        raise UserError(
            f"{name}: segment {foreign[0].id} has category_id {foreign[0].category_id}, which is none of the "
            f"{len(class_of)} categories of the classes"
        )
    labels = np.array([class_of[segment.category_id] for segment in segments], np.int64)
    crowd = np.array([segment.iscrowd for segment in segments], bool)
    known = [segment.id for segment in segments]
    return SegmentMap.from_values(ids, known, labels, np.asarray(things)[labels] & ~crowd, crowd=crowd, name=name)


def segments_info(found: SegmentMap, category_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return what a panoptic JSON of results says about segments whose PNG has the numbers of ``found.ids``.

    Args:
        found: the segments.
        category_ids: (K,) the category of each class.
    """
    return [{"id": i, "category_id": category_ids[label]} for i, label in enumerate(found.labels.tolist(), 1)]


def corner_and_size(box: Sequence) -> list:
    """COCO's left, top, width and height of left, top, right and bottom."""
    left, top, right, bottom = box
    return [left, top, right - left, bottom - top]


def encoded_masks(masks: ndarray) -> list[dict[str, Any]]:
    """COCO's run-length codes of masks (n, H, W), to be written as JSON."""
    codes = coco_mask.encode(np.asfortranarray(np.moveaxis(masks, 0, -1), np.uint8))
    return [{"size": code["size"], "counts": code["counts"].decode()} for code in codes]
