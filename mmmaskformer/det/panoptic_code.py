"""Panoptic results in mmdet's data samples: a pixel of instance i of class c is c + 1000 x i, and VOID is K.

Instances of things count from 1; stuff is instance 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData, PixelData
from numpy import ndarray
from torch import Tensor

from mmmaskformer.core.panoptic import PanopticSegments
from mmmaskformer.errors import UserError
from mmmaskformer.numbering import values_in
from mmmaskformer.segments import SegmentMap

INSTANCE_OFFSET = 1000


def check_room(owner: str, num_classes: int, cure: str = "") -> None:
    """Refuses more classes than the code has room for.

    Args:
        owner: what has the classes, for the message.
        num_classes: K.
        cure: what to do, appended to the message.

    Raises:
        UserError: K and VOID do not fit below 1000.
    """
    if num_classes >= INSTANCE_OFFSET:
        raise UserError(
            f"{owner} has {num_classes} classes, but panoptic output encodes a segment as class + {INSTANCE_OFFSET} x "
            f"instance and has room for {INSTANCE_OFFSET - 1}{cure}"
        )


def write_panoptic(sample: DetDataSample, segments: PanopticSegments, num_things: int, num_classes: int) -> None:
    """Write segments into a sample.

    ``pred_panoptic_seg.sem_seg`` (1, H, W) is what mmdet's own detectors give. ``pred_segments``, which they lack, has
    ``ids`` in the same code, ``labels`` and ``scores``.

    Args:
        sample: changed in place.
        segments: of the image.
        num_things: classes 0..num_things-1 are things.
        num_classes: K.
    """
    codes = segment_codes(segments.labels, num_things)
    pixels = torch.cat([codes.new_full((1,), num_classes), codes])[segments.ids]
    sample.pred_panoptic_seg = PixelData(sem_seg=pixels[None])
    sample.pred_segments = InstanceData(ids=codes, labels=segments.labels, scores=segments.scores)


def segment_codes(labels: Tensor, num_things: int) -> Tensor:
    """(S,) code of each segment of classes (S,)."""
    things = labels < num_things
    return labels + INSTANCE_OFFSET * things.cumsum(0) * things


def read_panoptic(sample: Any, num_classes: int) -> SegmentMap:
    """Return the predicted segments of a sample, or of what its ``to_dict`` gives.

    Without ``pred_segments``, as mmdet's own MaskFormer has none, the map says what there is, and there are no scores.

    Args:
        sample: with ``pred_panoptic_seg``.
        num_classes: K, the code of VOID.
    """
    pixels = sample.get("pred_panoptic_seg").get("sem_seg").squeeze(0).cpu().numpy()
    found, scores = sample.get("pred_segments"), None
    if found is None:
        codes = values_in(pixels)
        codes = codes[codes != num_classes]
    else:
        codes, scores = (found.get(key).cpu().numpy() for key in ("ids", "scores"))
    return SegmentMap.from_values(
        pixels, codes, codes % INSTANCE_OFFSET, codes >= INSTANCE_OFFSET, scores, void=num_classes
    )


def true_segments(
    ids: ndarray,
    segments_info: Iterable[Mapping[str, Any]],
    things: Sequence[bool] | None = None,
    name: str | None = None,
) -> SegmentMap:
    """Return the true segments that mmdet's panoptic data sets give.

    Args:
        ids: (H, W) as in a COCO panoptic PNG, 0 being void.
        segments_info: ``id``, ``category`` (the class) and ``is_thing``, which is false for a crowd, of each segment.
        things: (K,) whether a class is countable. Without it, classes are not checked and crowds are stuff.
        name: of the PNG; see :meth:`SegmentMap.from_values`.

    Raises:
        UserError: a class is not in 0..K-1; see also :meth:`SegmentMap.from_values`.
    """
    segments_info = list(segments_info)
    labels = np.array([info["category"] for info in segments_info], np.int64)
    is_thing = np.array([info["is_thing"] for info in segments_info], bool)
    known = [info["id"] for info in segments_info]
    if things is None:
        return SegmentMap.from_values(ids, known, labels, is_thing, name=name)
    wrong = np.flatnonzero((labels < 0) | (labels >= len(things)))
    if len(wrong):
        info = segments_info[wrong[0]]
        raise UserError(
            f"{name or 'panoptic truth'}: segment {info['id']} has the category {info['category']}, which is none of "
            f"the {len(things)} classes"
        )
    crowd = np.asarray(things, bool)[labels] & ~is_thing
    return SegmentMap.from_values(ids, known, labels, is_thing, crowd=crowd, name=name)
