"""What mmdet's samples say: ground-truth segments, and where an image lies in the padded batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.structures import DetDataSample
from torch import Tensor

from mmmaskformer.batches import recorded_input_size, sample_name
from mmmaskformer.core.tiles import OutputGeometry
from mmmaskformer.errors import UserError
from mmmaskformer.labels import check_ignore_index
from mmmaskformer.pixels import size_of
from mmmaskformer.structures import SegmentTargets


def input_size(samples: Sequence[DetDataSample]) -> tuple[int, int]:
    """(H, W) of the padded batch, as mmdet's DetDataPreprocessor records it.

    Raises:
        UserError: it was not recorded.
    """
    meta = samples[0].metainfo
    size = recorded_input_size([meta])
    if size is None:
        raise UserError(
            f"{sample_name(meta)}: no batch_input_shape; samples must come through mmdet's DetDataPreprocessor"
        )
    return size


def geometry_of(meta: dict, size: tuple[int, int], rescale: bool) -> OutputGeometry:
    """Where a sample lies in an input of ``size`` and the size of its result: the original's, or the image's."""
    height, width = meta["img_shape"][:2]
    return OutputGeometry(size, (0, 0, height, width), tuple((meta["ori_shape"] if rescale else meta["img_shape"])[:2]))


def segment_targets(
    samples: Sequence[DetDataSample], num_things: int, num_stuff: int, ignore_index: int
) -> SegmentTargets:
    """Segments of a padded batch, whatever the task.

    Instances with masks and a semantic map give panoptic targets: things as instances, then each class of stuff as one
    segment. Instances alone, or a model without stuff, give instance targets; a semantic map alone gives semantic
    ones, each class present being one segment.

    Args:
        samples: with ``gt_instances`` (labels, masks), ``gt_sem_seg`` or both.
        num_things: classes 0..num_things-1.
        num_stuff: the classes behind them.
        ignore_index: label of void pixels in semantic maps.

    Raises:
        UserError: a sample has neither, or other kinds of ground truth than the first; a label is out of range; masks
            are not of the batch's size.
        UserError: a semantic map is used and ``ignore_index`` is a class.
    """
    size = input_size(samples)
    names = [sample_name(sample.metainfo) for sample in samples]
    has_masks, has_map = _kinds(samples[0])
    for sample in samples:
        if _kinds(sample) != (has_masks, has_map):
            raise UserError(
                f"{sample_name(sample.metainfo)} and {sample_name(samples[0].metainfo)} of one batch have different "
                "kinds of ground truth (instance masks, semantic map)"
            )
    if not has_masks and not has_map:
        raise UserError(
            f"{sample_name(samples[0].metainfo)}: neither instance masks nor a semantic map; does the pipeline load "
            "annotations (mmmaskformer.LoadPanopticAnnotations, or LoadAnnotations with with_mask or with_seg)?"
        )
    if has_masks:
        targets = _instances(samples, num_things, size, names)
        if num_stuff == 0 or not has_map:
            return targets
    maps = torch.stack([sample.gt_sem_seg.sem_seg.squeeze(0) for sample in samples])
    _check_size(size_of(maps), size, samples[0], "gt_sem_seg", "pad_seg")
    check_ignore_index("MaskFormerPanopticHead", ignore_index, num_things + num_stuff)
    stuff = SegmentTargets.from_semantic_maps(
        maps, num_things + num_stuff, ignore_index, names, first_class=num_things if has_masks else 0
    )
    return targets.with_more(stuff) if has_masks else stuff


def _kinds(sample: DetDataSample) -> tuple[bool, bool]:
    return "masks" in sample.get("gt_instances", {}), "gt_sem_seg" in sample


def _instances(
    samples: Sequence[DetDataSample], num_things: int, size: tuple[int, int], names: Sequence[str]
) -> SegmentTargets:
    labels = [sample.gt_instances.labels for sample in samples]
    _check_labels(labels, samples, num_things)
    masks = []
    for sample in samples:
        masks.append(instance_masks(sample.gt_instances.masks, sample.gt_instances.labels.device))
        if len(masks[-1]):
            _check_size(size_of(masks[-1]), size, sample, "gt_instances.masks", "pad_mask")
    masks = [mask if len(mask) else mask.new_zeros(0, *size) for mask in masks]
    return SegmentTargets.from_segments(labels, masks, names)


def _check_labels(labels: Sequence[Tensor], samples: Sequence[DetDataSample], num_things: int) -> None:
    # One check for the whole batch, so that the host waits for the device once. Which sample is wrong is found later.
    together = torch.cat(list(labels))
    if not ((together < 0) | (together >= num_things)).any():
        return
    for sample, own in zip(samples, labels):
        wrong = (own < 0) | (own >= num_things)
        if wrong.any():
            raise UserError(
                f"{sample_name(sample.metainfo)}: instance label {own[wrong][0].item()}, expected "
                f"0..{num_things - 1}: does num_things_classes={num_things} fit the data set?"
            )


def instance_masks(masks: Any, device: torch.device) -> Tensor:
    """(n, H, W) bool from mmdet's mask structures or a tensor."""
    if isinstance(masks, Tensor):
        return masks.to(device).bool()
    return masks.to_tensor(dtype=torch.bool, device=device)


def _check_size(found: tuple[int, int], size: tuple[int, int], sample: DetDataSample, what: str, option: str) -> None:
    if found != size:
        raise UserError(
            f"{sample_name(sample.metainfo)}: {what} is {found} but the padded batch is {size}: set {option}=True in "
            "the data_preprocessor (DetDataPreprocessor)"
        )
