"""What mmseg's samples say: padding, geometry, label maps, class names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmmaskformer.core.tiles import OutputGeometry
from mmmaskformer.pairs import check_same_size


def stacked_label_maps(samples: Sequence[SegDataSample]) -> Tensor:
    """Ground truth (B, H, W) of a padded batch.

    Raises:
        ValueError: a sample has no ground truth.
        UserError: a label map has another size than its image.
    """
    for sample in samples:
        if "gt_sem_seg" not in sample:
            raise ValueError(f"{sample_name(sample.metainfo)}: no gt_sem_seg; does the pipeline load annotations?")
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


def sample_name(meta: dict) -> str:
    """File of a sample as far as its pipeline kept it: the label map's if there is one, else the image's."""
    return str(meta.get("seg_map_path") or meta.get("img_path") or "a sample without img_path")


def padded_size(metas: Sequence[dict], features: Sequence[Tensor], strides: Sequence[int]) -> tuple[int, int]:
    """(H, W) of the network's input.

    mmseg's metas do not say it for a sliding window (there ``pad_shape`` is the whole image's), but the feature map
    bounds it: the largest recorded shape that the finest map can come from.
    """
    height, width = features[0].shape[-2:]
    stride = strides[0]
    for key in ("pad_shape", "img_shape"):
        shapes = [meta[key][:2] for meta in metas if key in meta]
        if shapes:
            size = (max(int(s[0]) for s in shapes), max(int(s[1]) for s in shapes))
            if -(-size[0] // stride) == height and -(-size[1] // stride) == width:
                return size
    return height * stride, width * stride


def geometry_of(meta: dict, input_size: tuple[int, int]) -> OutputGeometry:
    """Where a test sample lies in the padded input and how large its result shall be."""
    left, right, top, bottom = meta.get("img_padding_size", meta.get("padding_size", (0, 0, 0, 0)))
    height, width = input_size[0] - top - bottom, input_size[1] - left - right
    output_size = tuple(meta.get("ori_shape", (height, width))[:2])
    return OutputGeometry(tuple(input_size), (top, left, height, width), output_size)


def check_class_count(owner: str, num_classes: int, metainfo: dict) -> None:
    """Compare a head's number of classes with a data set's.

    Raises:
        ValueError: they disagree.
    """
    classes = metainfo.get("classes")
    if classes is not None and len(classes) != num_classes:
        raise ValueError(
            f"{owner} has num_classes={num_classes} but the data set has {len(classes)} classes "
            f"({', '.join(map(str, classes[:3]))}, ...): set model.decode_head.num_classes={len(classes)}"
        )
