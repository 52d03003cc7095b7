"""A panoptic PNG, checked against the segments that its json names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from mmengine import fileio
from numpy import ndarray

from mmmaskformer.coco.panoptic_png import read_panoptic_png
from mmmaskformer.errors import UserError

LISTED = 5


def read_segment_positions(path: str, known: Sequence[int], backend_args: Mapping | None = None) -> ndarray:
    """:func:`segment_positions` (H, W) of a panoptic PNG.

    Raises:
        UserError: the file is missing or cannot be decoded, or has other segments than ``known``.
    """
    try:
        content = fileio.get(path, backend_args=backend_args)
    except FileNotFoundError as error:
        raise UserError(f"panoptic PNG {path} does not exist") from error
    return segment_positions(read_panoptic_png(content, name=path), known, path)


def segment_positions(ids: ndarray, known: Sequence[int], name: str) -> ndarray:
    """Which of the ``known`` segments each pixel belongs to.

    Args:
        ids: (H, W) segment ids as in a panoptic PNG, 0 being void.
        known: the ids of the json's segments.
        name: the PNG, for errors.

    Returns:
        (H, W) int32 positions in ``known``; ``len(known)`` where the pixel is void.

    Raises:
        UserError: the PNG has an id that is not known, or lacks one that is.
    """
    flat = ids.ravel()
    # Segments are runs of pixels, of which there are far fewer than pixels to look up.
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    present, run_segments = np.unique(flat[starts], return_inverse=True)
    positions = {0: len(known), **{number: position for position, number in enumerate(known)}}
    unknown = [number for number in present.tolist() if number not in positions]
    absent = sorted(set(known) - set(present.tolist()))
    if unknown:
        raise UserError(
            f"{name} and its json disagree: id {_listed(unknown)} of the PNG is not in segments_info. (mmdet's own "
            "data sets leave out segments with an empty box; mmmaskformer.CheckedPanopticDataset does not.)"
        )
    if absent:
        raise UserError(f"{name} and its json disagree: id {_listed(absent)} of segments_info has no pixel in the PNG")
    of_present = np.array([positions[number] for number in present.tolist()], np.int32)
    return np.repeat(of_present[run_segments], np.diff(starts, append=len(flat))).reshape(ids.shape)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:LISTED])) + (", ..." if len(numbers) > LISTED else "")
