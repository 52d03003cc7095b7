"""Detectors of a few thousand weights, and samples for them, for tests that need no trained model."""

from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData, PixelData
from tiny_models import BACKBONE, CHANNELS, DECODER, add_to_queries
from torch import Tensor, nn

THINGS, STUFF = 3, 2
QUERIES = 8


def head_config(**changes: Any) -> dict:
    """A small panoptic head of ours."""
    head = dict(
        type="mmmaskformer.MaskFormerPanopticHead",
        in_channels=CHANNELS,
        num_things_classes=THINGS,
        num_stuff_classes=STUFF,
        num_queries=QUERIES,
        channels=16,
        pixel_decoder=dict(type="mmmaskformer.FPNPixelDecoder", norm_groups=4),
        transformer_decoder=DECODER,
    )
    return {**head, **changes}


def build_detector(head: dict | None = None, **changes: Any) -> nn.Module:
    """A whole detector in evaluation whose queries have opinions of their own, as training gives them."""
    torch.manual_seed(0)
    config = dict(type="mmmaskformer.MaskFormer", backbone=BACKBONE, panoptic_head=head or head_config())
    model = MODELS.build(ConfigDict({**config, **changes}))
    for name, width in (("class_embed", model.panoptic_head.num_classes + 1), ("mask_embed", 16)):
        own = 5 * torch.randn(model.panoptic_head.num_queries, width, generator=torch.Generator().manual_seed(3))
        add_to_queries(getattr(model.panoptic_head, name), own)
    return model.eval()


def samples(sizes: list[tuple[int, int]], original: tuple[int, int] = (40, 60), truth: str = "panoptic") -> list:
    """Samples of images of these sizes, padded to the largest, with "panoptic", "instance", "semantic" or no truth."""
    height, width = (max(size[axis] for size in sizes) for axis in (0, 1))
    found = []
    for index, size in enumerate(sizes):
        meta = dict(
            img_shape=size,
            ori_shape=original,
            batch_input_shape=(height, width),
            pad_shape=(height, width),
            img_path=f"{index}.jpg",
        )
        sample = DetDataSample(metainfo=meta)
        masks, labels, semantic = ground_truth(size, (height, width), index)
        sample.gt_instances = InstanceData()
        if truth in ("panoptic", "instance"):
            sample.gt_instances = InstanceData(labels=labels, masks=BitmapMasks(masks.numpy(), height, width))
        if truth in ("panoptic", "semantic"):
            sample.gt_sem_seg = PixelData(sem_seg=semantic[None])
        found.append(sample)
    return found


def ground_truth(size: tuple[int, int], padded: tuple[int, int], seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Two instances of one class and one of another on two kinds of stuff, with void: masks, labels, semantic map."""
    height, width = size
    semantic = torch.full(padded, 255, dtype=torch.uint8)
    semantic[: height // 2, :width] = THINGS
    semantic[height // 2 : height, :width] = THINGS + 1
    semantic[:4, :4] = 255
    labels = torch.tensor([1, 1, (seed % 2) * 2])
    masks = torch.zeros(3, *padded, dtype=torch.uint8)
    for index, left in enumerate((2, width // 3, 2 * width // 3)):
        box = (slice(height // 4, 3 * height // 4), slice(left, left + width // 5))
        masks[index][box] = 1
        semantic[box] = labels[index].to(torch.uint8)
    return masks, labels, semantic


def images(samples_of_batch: list) -> Tensor:
    """Random pixels, zero on padding."""
    generator = torch.Generator().manual_seed(1)
    size = samples_of_batch[0].metainfo["batch_input_shape"]
    batch = torch.zeros(len(samples_of_batch), 3, *size)
    for image, sample in zip(batch, samples_of_batch):
        height, width = sample.metainfo["img_shape"]
        image[:, :height, :width] = torch.randn(3, height, width, generator=generator)
    return batch
