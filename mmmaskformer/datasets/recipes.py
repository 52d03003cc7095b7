"""The paper's augmentations (Sec. 4.2) as pipelines: data sets differ in a few numbers, so configs give these."""

from __future__ import annotations

from collections.abc import Sequence

Pipeline = list[dict]
# Instances without a pixel left are dropped; keep_empty=False keeps an image that has no other.
_WITHOUT_EMPTY_INSTANCES = [dict(type="FilterAnnotations", by_box=False, by_mask=True, keep_empty=False)]


def semantic_pipelines(
    short_side: int,
    crop_size: Sequence[int],
    max_size: int,
    test_max_size: int,
    tta_max_size: int,
    largest: float = 2.0,
    pad_label: int | None = 255,
    load_labels: str = "LoadAnnotations",
) -> tuple[Pipeline, Pipeline, Pipeline]:
    """Pipelines of stock mmseg transforms for training, testing and multi-scale testing with flips.

    Args:
        short_side: of test images, in pixels; training and multi-scale testing take multiples of it.
        crop_size: (height, width) of a training crop. No class is limited in it, as in the reference release.
        max_size: limit of the long side in training.
        test_max_size: that in testing.
        tta_max_size: that in multi-scale testing.
        largest: training images are resized to 0.5, 0.6, ... ``largest`` times ``short_side``.
        pad_label: void label for what pads a small image to the crop; None where images always fill the crop.
        load_labels: type of the transform that reads label maps.

    Returns:
        ``train_pipeline``, ``test_pipeline`` and ``tta_pipeline``.
    """
    image, labels, pack = dict(type="LoadImageFromFile"), dict(type=load_labels), dict(type="PackSegInputs")
    train = [
        image,
        labels,
        _random_side(tenths(short_side, largest), max_size),
        dict(type="RandomCrop", crop_size=tuple(crop_size), cat_max_ratio=1.0),
        dict(type="RandomFlip", prob=0.5),
        dict(type="PhotoMetricDistortion"),
    ]
    if pad_label is not None:
        # Before normalization, so here and not in the data preprocessor, which pads what it has normalized.
        train.append(dict(type="Pad", size=tuple(crop_size), pad_val=dict(img=128, seg=pad_label)))
    test = [image, dict(type="ResizeShortestEdge", scale=short_side, max_size=test_max_size), labels, pack]
    sides = [int(factor * short_side) for factor in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)]
    tta = dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="ResizeShortestEdge", scale=side, max_size=tta_max_size) for side in sides],
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [labels],
            [pack],
        ],
    )
    return [*train, pack], test, [image, tta]


def tenths(short_side: int, largest: float = 2.0) -> list[int]:
    """Sizes of 0.5, 0.6, ... ``largest`` times a short side, rounded down."""
    return [int(step * 0.1 * short_side) for step in range(5, round(largest * 10) + 1)]


def panoptic_pipelines(
    short_sides: Sequence[int],
    crop_size: Sequence[int],
    max_size: int,
    test_side: int,
    test_max_size: int,
    load_label_map: str | None = None,
) -> tuple[Pipeline, Pipeline]:
    """Pipelines of mmdet's transforms for training on crops and for testing, on panoptic truth.

    Args:
        short_sides: sizes of the short side in training, in pixels; one is drawn per image.
        crop_size: (height, width) of a training crop.
        max_size: limit of the long side in training.
        test_side: short side of test images.
        test_max_size: limit of the long side in testing.
        load_label_map: type of a transform that replaces the semantic truth in testing.

    Returns:
        ``train_pipeline`` and ``test_pipeline``.
    """
    train = [
        dict(type="LoadImageFromFile"),
        dict(type="mmmaskformer.LoadPanopticAnnotations"),
        _random_side(short_sides, max_size),
        dict(type="RandomCrop", crop_size=tuple(crop_size), allow_negative_crop=True),
        *_WITHOUT_EMPTY_INSTANCES,
        dict(type="RandomFlip", prob=0.5),
        # mmseg's, as the release has it; mmdet's swaps color channels, too.
        dict(type="mmseg.PhotoMetricDistortion"),
        # Before normalization, as above.
        dict(type="Pad", size=tuple(crop_size), pad_val=dict(img=128, seg=255)),
        dict(type="PackDetInputs"),
    ]
    more = [] if load_label_map is None else [dict(type=load_label_map)]
    return train, _test_pipeline(test_side, test_max_size, dict(type="mmmaskformer.LoadPanopticAnnotations"), *more)


def coco_pipelines(max_size: int = 1333, load: dict | None = None) -> tuple[Pipeline, Pipeline]:
    """Pipelines with DETR's augmentation of COCO: half of the images are cropped before they are resized.

    Args:
        max_size: limit of the long side in training.
        load: transform that loads the truth; COCO's panoptic segments by default.

    Returns:
        ``train_pipeline`` and ``test_pipeline``.
    """
    load = load or dict(type="mmmaskformer.LoadPanopticAnnotations")
    resize = _random_side(range(480, 801, 32), max_size)
    crop = [
        dict(type="RandomChoiceResize", scales=[400, 500, 600], resize_type="ResizeShortestEdge"),
        dict(type="RandomCrop", crop_type="absolute_range", crop_size=(384, 600), allow_negative_crop=True),
    ]
    train = [
        dict(type="LoadImageFromFile"),
        load,
        dict(type="RandomFlip", prob=0.5),
        dict(type="RandomChoice", transforms=[[resize], [*crop, resize]]),
        *_WITHOUT_EMPTY_INSTANCES,
        dict(type="PackDetInputs"),
    ]
    return train, _test_pipeline(800, 1333, load)


def _random_side(sides: Sequence[int], max_size: int) -> dict:
    return dict(type="RandomChoiceResize", scales=list(sides), resize_type="ResizeShortestEdge", max_size=max_size)


def _test_pipeline(side: int, max_size: int, *load: dict) -> Pipeline:
    """Put the loading of the truth after the resizing, so that the truth keeps its own size."""
    resize = dict(type="ResizeShortestEdge", scale=side, max_size=max_size)
    return [dict(type="LoadImageFromFile"), resize, *load, dict(type="PackDetInputs")]
