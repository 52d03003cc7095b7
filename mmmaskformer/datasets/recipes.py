"""The paper's augmentations (Sec. 4.2) as pipelines: data sets differ in a few numbers, so configs give these."""

from __future__ import annotations

from collections.abc import Sequence

Pipeline = list[dict]


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
        dict(
            type="RandomChoiceResize",
            scales=[int(step * 0.1 * short_side) for step in range(5, round(largest * 10) + 1)],
            resize_type="ResizeShortestEdge",
            max_size=max_size,
        ),
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
