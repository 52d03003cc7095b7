"""What mmseg's samples say: padding, geometry, label maps, class names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmmaskformer.batches import recorded_input_size, sample_name
from mmmaskformer.core.tiles import OutputGeometry
from mmmaskformer.errors import UserError, listed
from mmmaskformer.pairs import check_same_size


def stacked_label_maps(samples: Sequence[SegDataSample]) -> Tensor:
    """Ground truth (B, H, W) of a padded batch.

    Raises:
        UserError: a sample has no ground truth.
        UserError: a label map has another size than its image.
    """
    for sample in samples:
        if "gt_sem_seg" not in sample:
            raise UserError(f"{sample_name(sample.metainfo)}: no gt_sem_seg; does the pipeline load annotations?")
    check_label_sizes(samples)
    return torch.stack([sample.gt_sem_seg.data.squeeze(0) for sample in samples])


def check_label_sizes(samples: Sequence[SegDataSample], batch_size: Sequence[int] | None = None) -> None:
    """Refuse label maps of other sizes than their images.

    What transforms load is checked already (:mod:`mmmaskformer.pairs`). This is for data sets without transforms, and
    for transforms that change one of the two alone.

    Args:
        samples: of a padded batch; those without a label map are left out.
        batch_size: (H, W) of the padded images. Without it, sizes are what the data preprocessor has recorded.

    Raises:
        UserError: with file and sizes, both without the padding.
    """
    for sample in samples:
        meta = sample.metainfo
        if "gt_sem_seg" not in sample:
            continue
        left, right, top, bottom = meta.get("padding_size", (0, 0, 0, 0))
        height, width = sample.gt_sem_seg.data.shape[-2:]
        label_size = (height - top - bottom, width - left - right)
        if batch_size is not None:
            image_size = (batch_size[0] - top - bottom, batch_size[1] - left - right)
        else:
            image_size = tuple(meta.get("img_shape", label_size)[:2])
            padding_is_known = "padding_size" in meta
            if not padding_is_known and label_size[0] >= image_size[0] and label_size[1] >= image_size[1]:
                continue
        check_same_size(sample_name(meta), label_size, str(meta.get("img_path")), image_size)


def padded_size(metas: Sequence[dict], features: Sequence[Tensor], strides: Sequence[int]) -> tuple[int, int]:
    """(H, W) of the network's input.

    Our segmentor records it. In mmseg's, the metas do not say it for a sliding window (there ``pad_shape`` is the whole
    image's), but the feature map bounds it: the largest recorded shape that the finest map can come from.

    Raises:
        UserError: no recorded shape is near what feature map and stride say, so the stride is wrong.
    """
    recorded = recorded_input_size(metas)
    if recorded is not None:
        return recorded
    finest, stride = features[0].shape[-2:], strides[0]
    shapes = _recorded_shapes(metas)
    for size in shapes:
        if all(-(-side // stride) == cells for side, cells in zip(size, finest)):
            return size
    implied = (finest[0] * stride, finest[1] * stride)
    if shapes and not any(_near(implied, size) for size in shapes):
        raise UserError(
            f"{sample_name(metas[0])}: a feature map of {finest[0]}x{finest[1]} at stride {stride} comes from an input "
            f"of {implied[0]}x{implied[1]}, but the input is {shapes[0][0]}x{shapes[0][1]}: set decode_head.strides to "
            "the strides of the feature maps that the head reads"
        )
    return implied


def _recorded_shapes(metas: Sequence[dict]) -> list[tuple[int, int]]:
    """Sizes that an input may have, the likeliest first."""
    found = []
    # mmseg's sliding window records its size in the meta of the first image alone.
    for key, group in (("pad_shape", metas), ("img_shape", metas), ("img_shape", metas[:1])):
        shapes = [meta[key][:2] for meta in group if key in meta]
        if shapes:
            found.append((max(int(shape[0]) for shape in shapes), max(int(shape[1]) for shape in shapes)))
    return found


def _near(one: tuple[int, int], other: tuple[int, int]) -> bool:
    # A wrong stride is wrong by a factor of 2 or more; odd sizes and convolutions without padding by a few cells.
    return all(2 * a < 3 * b and 2 * b < 3 * a for a, b in zip(one, other))


def geometry_of(meta: dict, input_size: tuple[int, int]) -> OutputGeometry:
    """Where a test sample lies in the padded input and the size of its result."""
    left, right, top, bottom = meta.get("img_padding_size", meta.get("padding_size", (0, 0, 0, 0)))
    height, width = input_size[0] - top - bottom, input_size[1] - left - right
    output_height, output_width = meta.get("ori_shape", (height, width))[:2]
    output_size = (output_height, output_width)
    return OutputGeometry((input_size[0], input_size[1]), (top, left, height, width), output_size)


def check_class_count(owner: str, num_classes: int, metainfo: dict) -> None:
    """Compare a head's number of classes with a data set's.

    Raises:
        UserError: they disagree.
    """
    classes = metainfo.get("classes")
    if classes is not None and len(classes) != num_classes:
        raise UserError(
            f"{owner} has num_classes={num_classes} but the data set has {len(classes)} classes "
            f"({listed(classes, 3)}): set model.decode_head.num_classes={len(classes)}"
        )
