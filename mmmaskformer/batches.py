"""What the adapters to mmseg and to mmdet both do with a batch of images and what the samples say about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmmaskformer.structures import padding_mask

INPUT_SIZE = "batch_input_shape"  # mmdet's name for it


def channels_last(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) with channels last in memory."""
    # Convolutions are up to three times faster so, depthwise ones above all.
    return images.contiguous(memory_format=torch.channels_last)


def sample_name(meta: Mapping) -> str:
    """File of a sample as far as its pipeline kept it: the label map, else the image, else the image's id."""
    kept = (meta.get(key) for key in ("seg_map_path", "img_path", "img_id"))
    return next((str(name) for name in kept if name is not None), "a sample without img_path")


def with_input_size(metas: Sequence[Mapping], images: Tensor) -> list[dict]:
    """Return the metas with the (H, W) of the padded batch that the samples are in, for :func:`recorded_input_size`."""
    return [{**meta, INPUT_SIZE: tuple(images.shape[-2:])} for meta in metas]


def recorded_input_size(metas: Sequence[Mapping]) -> tuple[int, int] | None:
    """(H, W) of the padded batch, None where it was not recorded.

    mmdet's DetDataPreprocessor records it, and so does our segmentor.
    """
    size = metas[0].get(INPUT_SIZE) if metas else None
    return None if size is None else tuple(size)


def padding_of(metas: Sequence[Mapping], size: tuple[int, int], device: torch.device) -> Tensor:
    """(B, H, W) bool, True where a padded batch of ``size`` is not image."""
    return padding_mask([meta["img_shape"][:2] for meta in metas], size, device)
