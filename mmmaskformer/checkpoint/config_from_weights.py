"""A config for converted weights: model, preprocessing and test pipeline, made from the weights' own shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmmaskformer.labels import default_void

from .architecture import HeadSizes

IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
RELEASE_DIVISOR = 32
NUM_THINGS = {133: 80, 150: 100}  # COCO's and ADE20K's panoptic classes
HEAD_TYPES = {
    "mask": "MaskFormerHead", "per-pixel": "PerPixelBaselineHead", "per-pixel-plus": "PerPixelBaselinePlusHead"
}  # fmt: skip


@dataclass
class ReleaseSettings:
    """What shapes do not tell. The defaults are the release's.

    Attributes:
        num_heads: of the transformers.
        dropout: in the transformers, for training on.
        mean, std: of the pixels, 0..255, red first.
        size_divisor: what images are padded to a multiple of; None for no padding.
        short_side, long_side: images are resized to the first, unless the longer side then exceeds the second.
        mask_padding: hide padding from attention.
        no_object_weight, class_weight, mask_weight, dice_weight: of the losses, and of matching.
    """

    num_heads: int = 8
    dropout: float = 0.1
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    size_divisor: int | None = RELEASE_DIVISOR
    short_side: int = 512
    long_side: int = 2048
    mask_padding: bool = False
    no_object_weight: float = 0.1
    class_weight: float = 1.0
    mask_weight: float = 20.0
    dice_weight: float = 1.0


def release_settings(panoptic: bool, backbone: Mapping[str, Any]) -> ReleaseSettings:
    """As the release trains and tests models of this kind."""
    if panoptic:
        return ReleaseSettings(short_side=800, long_side=1333)
    # The backbones with windows of 12 pixels are the larger ones.
    return ReleaseSettings(short_side=640, long_side=2560) if backbone.get("window_size") == 12 else ReleaseSettings()


def make_config(
    head: HeadSizes, backbone: Mapping[str, Any], settings: ReleaseSettings, num_things: int | None
) -> dict[str, Any]:
    """Return a config that is enough to build, load and predict. Training needs a data set and a schedule too.

    Args:
        head: sizes of the head.
        backbone: config of the backbone.
        settings: what the shapes do not tell.
        num_things: of a panoptic model; None for a semantic one.
    """
    panoptic = num_things is not None
    backbone = dict(backbone)
    if backbone["type"] == "ResNet":
        # As in the release: batch norms train neither statistics nor weights.
        backbone.update(norm_cfg=dict(type="BN", requires_grad=False), norm_eval=True, style="pytorch")
    void = default_void(head.num_classes)
    model = _panoptic_model(settings, void) if panoptic else _semantic_model(settings, void)
    model["backbone"] = backbone
    model["panoptic_head" if panoptic else "decode_head"] = _head(head, settings, num_things)
    if panoptic:
        model["test_cfg"] = dict(panoptic_on=True, object_mask_thr=0.8, iou_thr=0.8)
    return dict(
        default_scope="mmdet" if panoptic else "mmseg",
        custom_imports=dict(imports=["mmmaskformer"], allow_failed_imports=False),
        model=model,
        test_pipeline=_panoptic_pipeline(settings) if panoptic else _semantic_pipeline(settings),
    )


def _semantic_model(settings: ReleaseSettings, void: int) -> dict[str, Any]:
    padding = dict(size_divisor=settings.size_divisor) if settings.size_divisor else dict(size=(512, 512))
    return dict(
        type="mmmaskformer.MaskFormerSegmentor",
        data_preprocessor=dict(
            type="SegDataPreProcessor",
            mean=list(settings.mean),
            std=list(settings.std),
            bgr_to_rgb=True,
            pad_val=0,
            seg_pad_val=void,
            **padding,
            test_cfg=padding if settings.size_divisor else None,
        ),
        train_cfg=dict(),
        test_cfg=dict(mode="whole"),
    )


def _panoptic_model(settings: ReleaseSettings, void: int) -> dict[str, Any]:
    return dict(
        type="mmmaskformer.MaskFormer",
        data_preprocessor=dict(
            type="DetDataPreprocessor",
            mean=list(settings.mean),
            std=list(settings.std),
            bgr_to_rgb=True,
            pad_size_divisor=settings.size_divisor or 1,
            pad_mask=True,
            mask_pad_value=0,
            pad_seg=True,
            seg_pad_value=void,
        ),
    )


def _head(head: HeadSizes, settings: ReleaseSettings, num_things: int | None) -> dict[str, Any]:
    def transformer(kind: str, sizes: tuple[int, int]) -> dict[str, Any]:
        return dict(
            type=f"mmmaskformer.{kind}",
            num_layers=sizes[0],
            num_heads=settings.num_heads,
            feedforward_channels=sizes[1],
            dropout=settings.dropout,
        )

    config: dict[str, Any] = dict(
        in_channels=list(head.in_channels), channels=head.channels, ignore_index=default_void(head.num_classes)
    )
    if num_things is None:
        config.update(type=f"mmmaskformer.{HEAD_TYPES[head.kind]}", num_classes=head.num_classes)
    else:
        config.update(
            type="mmmaskformer.MaskFormerPanopticHead",
            num_things_classes=num_things,
            num_stuff_classes=head.num_classes - num_things,
        )
    config["pixel_decoder"] = dict(
        type="mmmaskformer.PositionedPixelDecoder" if head.placed else "mmmaskformer.FPNPixelDecoder"
    )
    if head.encoder is not None:
        config["pixel_decoder"] = dict(
            type="mmmaskformer.TransformerEncoderPixelDecoder", encoder=transformer("TransformerEncoder", head.encoder)
        )
    if head.kind == "per-pixel":
        return config
    if head.mask_dim != head.channels:
        config.update(mask_dim=head.mask_dim)
    memory_channels = head.channels if head.encoder or head.scales else head.in_channels[-1]
    if head.projects and memory_channels == head.channels:
        config.update(enforce_input_projection=True)
    if settings.mask_padding:
        config.update(mask_padding=True)
    config["transformer_decoder"] = transformer("TransformerDecoder", head.decoder)
    if head.scales:
        config["transformer_decoder"].update(
            type="mmmaskformer.MaskedAttentionDecoder", num_scales=head.scales, dropout=0.0
        )
    if head.pooled:
        config["class_head"] = dict(type="mmmaskformer.PooledClassHead")
    if head.pilots:
        config["pilots"] = dict(type="mmmaskformer.MaskPilots")
    if head.kind == "mask":
        config.update(num_queries=head.num_queries, criterion=_criterion(settings))
    if head.boxes:
        config.update(predict_boxes=True)
        config["criterion"]["box_losses"] = [dict(type="mmmaskformer.BoxL1Loss"), dict(type="mmmaskformer.GIoULoss")]
    return config


def _criterion(settings: ReleaseSettings) -> dict[str, Any]:
    return dict(
        type="mmmaskformer.MaskCriterion",
        class_loss=dict(
            type="mmmaskformer.ClassificationLoss",
            no_object_weight=settings.no_object_weight,
            loss_weight=settings.class_weight,
        ),
        mask_losses=[
            dict(type="mmmaskformer.FocalLoss", loss_weight=settings.mask_weight),
            dict(type="mmmaskformer.DiceLoss", loss_weight=settings.dice_weight),
        ],
    )


def _semantic_pipeline(settings: ReleaseSettings) -> list[dict]:
    return [
        dict(type="LoadImageFromFile"),
        dict(type="ResizeShortestEdge", scale=settings.short_side, max_size=settings.long_side),
        dict(type="PackSegInputs"),
    ]


def _panoptic_pipeline(settings: ReleaseSettings) -> list[dict]:
    return [
        dict(type="LoadImageFromFile"),
        dict(type="Resize", scale=(settings.long_side, settings.short_side), keep_ratio=True),
        dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
    ]
