"""Segmentors of a few thousand weights, and samples for them, for tests that need no trained model."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

CLASSES = 5
LAYERS = 2
CHANNELS = [4, 8, 16, 32]
# avg_down: on processors without AVX-512 the backward pass of torch 2.14.1's strided 1x1 convolution writes out of
# bounds where channels come last and are no multiple of 8, as 4 are.
NORM = dict(type="BN")
BACKBONE = dict(type="mmseg.ResNet", depth=18, base_channels=4, stem_channels=4, avg_down=True, norm_cfg=NORM)
DECODER = dict(num_layers=LAYERS, num_heads=2, feedforward_channels=16, dropout=0.0)
# The parts that make a head learn names fast, as configs/_base_/models/fast_head.py has them.
FAST = dict(
    transformer_decoder=dict(type="mmmaskformer.MaskedAttentionDecoder", **DECODER),
    class_head=dict(type="mmmaskformer.PooledClassHead"),
)
# What tells neighbors apart, as configs/maskformer_fast/maskformer-fast_efficientnet-lite0_pennfudan.py has it.
PLACED = dict(
    FAST,
    pixel_decoder=dict(type="mmmaskformer.PositionedPixelDecoder", norm_groups=4),
    pilots=dict(type="mmmaskformer.MaskPilots"),
)
SEGMENTORS = ["mmmaskformer.MaskFormerSegmentor", "mmseg.EncoderDecoder"]


def head_config(kind: str = "MaskFormerHead", **changes: Any) -> dict:
    """A small decode head of ours."""
    head = dict(
        type=f"mmmaskformer.{kind}",
        in_channels=CHANNELS,
        num_classes=CLASSES,
        channels=16,
        pixel_decoder=dict(type="mmmaskformer.FPNPixelDecoder", norm_groups=4),
    )
    if kind == "MaskFormerHead":
        head.update(num_queries=8)
    if kind != "PerPixelBaselineHead":
        head.update(transformer_decoder=DECODER)
    return {**head, **changes}


def build_head(kind: str = "MaskFormerHead", **changes: Any) -> torch.nn.Module:
    """The head alone, initialized, and so opinionated that its label maps show many classes."""
    torch.manual_seed(0)
    return _opinionated(MODELS.build(head_config(kind, **changes)))


def build_segmentor(kind: str = SEGMENTORS[0], head: dict | None = None, **changes: Any) -> EncoderDecoder:
    """A whole segmentor in evaluation; equal seeds make equal weights whatever its kind."""
    init_default_scope("mmseg")
    torch.manual_seed(0)
    config = dict(type=kind, backbone=BACKBONE, decode_head=head or head_config(), test_cfg=dict(mode="whole"))
    model = MODELS.build(ConfigDict({**config, **changes}))
    _opinionated(model.decode_head)
    return model.eval()


def _opinionated(head: torch.nn.Module) -> torch.nn.Module:
    """Gives each query a class and a mask of its own, as training does; untrained ones all say the same."""
    for name, width in (("class_embed", CLASSES + 1), ("mask_embed", 16)):
        if hasattr(head, name):
            own = 3 * torch.randn(head.num_queries, width, generator=torch.Generator().manual_seed(3))
            add_to_queries(getattr(head, name), own)
    return head


def add_to_queries(module: torch.nn.Module, own: Tensor) -> None:
    """Adds ``own`` (Q, C) to what the module gives for queries (..., Q, C), and nothing for pilots behind them."""

    def hook(module: torch.nn.Module, inputs: tuple, output: Tensor) -> Tensor:
        return output + torch.nn.functional.pad(own.to(output), (0, 0, 0, output.shape[-2] - len(own)))

    module.register_forward_hook(hook)


def values(losses: dict[str, Tensor]) -> dict[str, float]:
    """Losses as numbers, for comparison."""
    return {name: float(loss.detach()) for name, loss in losses.items()}


def features(height: int = 64, width: int = 64, batch: int = 2, channels: Sequence[int] = CHANNELS) -> list[Tensor]:
    """Random backbone outputs at strides 4 to 32 of an input of this size."""
    generator = torch.Generator().manual_seed(1)
    sizes = [(-(-height // stride), -(-width // stride)) for stride in (4, 8, 16, 32)]
    return [torch.randn(batch, c, *size, generator=generator) for c, size in zip(channels, sizes)]


def label_maps(height: int = 64, width: int = 64, batch: int = 2) -> Tensor:
    """(B, H, W) labels in blocks of 16 pixels, with one block void."""
    generator = torch.Generator().manual_seed(2)
    blocks = torch.randint(0, CLASSES, (batch, -(-height // 16), -(-width // 16)), generator=generator)
    blocks[:, 0, 0] = 255
    return blocks.repeat_interleave(16, 1).repeat_interleave(16, 2)[:, :height, :width].contiguous()


def samples(maps: Tensor, **meta: Any) -> list[SegDataSample]:
    """Training samples of label maps (B, H, W)."""
    size = tuple(maps.shape[-2:])
    meta = {**dict(img_shape=size, pad_shape=size, ori_shape=size), **meta}
    return [SegDataSample(gt_sem_seg=PixelData(data=labels[None]), metainfo=dict(meta)) for labels in maps]
