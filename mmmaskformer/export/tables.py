"""What an exported model gives out: a map of rows, and tables with class -1 in the rows that are no result."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy import ndarray

from mmmaskformer.segments import ImageSegmentation, Instances, SegmentMap


def read_tables(found: Mapping[str, ndarray], num_things: int | None) -> ImageSegmentation:
    """Return the results of one image.

    Args:
        found: by name as in :data:`mmmaskformer.export.runtime.OUTPUT_NAMES`, without the axis of the batch.
        num_things: classes below are things; None for a semantic model.
    """
    labels, panoptic, instances = found.get("labels"), None, None
    if "segment_map" in found:
        rows = np.flatnonzero(found["segment_labels"] >= 0)
        classes = found["segment_labels"][rows]
        panoptic = SegmentMap.from_values(
            found["segment_map"], rows, classes, classes < num_things, found["segment_scores"][rows], void=-1
        )
    if "instance_masks" in found:
        rows = found["instance_labels"] >= 0
        parts = (found[f"instance_{part}"][rows] for part in ("labels", "scores", "boxes", "masks"))
        instances = Instances(*parts)
    return ImageSegmentation(labels, panoptic, instances)
