"""Counting what queries predict, and their masks."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from tiny_models import build_segmentor

from mmmaskformer.analysis.queries import QueryStatistics, mask_head, query_mask
from mmmaskformer.errors import UserError
from mmmaskformer.structures import MaskPredictions

NOTHING = 3


def predicted(labels: list[list[int]], score: float = 4.0) -> MaskPredictions:
    """Predictions of a batch whose queries say these classes."""
    logits = torch.zeros(1, len(labels), len(labels[0]), NOTHING + 1)
    logits.scatter_(-1, torch.tensor(labels)[None, ..., None], score)
    return MaskPredictions.from_embeddings(
        logits, torch.zeros(1, len(labels), len(labels[0]), 2), torch.zeros(len(labels), 2, 4, 4)
    )


def test_classes_are_counted_over_batches_and_no_object_is_not_one():
    statistics = QueryStatistics(NOTHING)
    statistics.add(predicted([[0, NOTHING, 1], [2, NOTHING, 1]]))
    statistics.add(predicted([[2, NOTHING, NOTHING]], score=5.0))
    assert statistics.counts.tolist() == [[1, 0, 2], [0, 0, 0], [0, 2, 0]]
    assert statistics.unique_classes.tolist() == [2, 0, 1]
    assert statistics.fired.tolist() == [3, 0, 2]


def test_the_surest_images_come_first_but_each_class_once_before_any_twice():
    statistics = QueryStatistics(NOTHING)
    for label, score in ((0, 3.0), (2, 5.0), (2, 6.0), (NOTHING, 9.0)):
        statistics.add(predicted([[label]], score))
    assert statistics.best_images(0, 3) == [2, 0, 1]
    assert statistics.best_images(0, 1) == [2]


@pytest.mark.parametrize("size", [(40, 64), (64, 64)], ids=["padded", "not padded"])
def test_a_mask_is_cut_to_the_image_and_resized(size):
    test_cfg = dict(size_divisor=32) if size != (64, 64) else None  # without it, no size is recorded
    preprocessor = dict(type="SegDataPreProcessor", mean=[0.0] * 3, std=[1.0] * 3, size=(64, 64), test_cfg=test_cfg)
    model = build_segmentor(data_preprocessor=preprocessor)
    sample = SegDataSample(
        gt_sem_seg=PixelData(data=torch.zeros(1, *size)), metainfo=dict(img_shape=size, ori_shape=size)
    )
    batch = pseudo_collate([dict(inputs=torch.rand(3, *size), data_samples=sample)])
    mask = query_mask(model, batch, 2, size)
    with torch.no_grad():
        padded = torch.nn.functional.pad(batch["inputs"][0], (0, 0, 0, 64 - size[0]))[None]
        expected = model.decode_head(model.extract_feat(padded)).mask_logits()[:, 2:3]
    expected = torch.nn.functional.interpolate(expected, size=(64, 64), mode="bilinear")[0, 0, : size[0]].sigmoid()
    torch.testing.assert_close(mask, expected)
    assert np.isclose(mask.std().item(), expected.std().item()) and mask.std() > 0


def test_a_model_without_queries_is_refused():
    with pytest.raises(UserError, match="PerPixelBaselineHead has no queries that predict a class"):
        mask_head(build_segmentor(head=dict(
            type="mmmaskformer.PerPixelBaselineHead", in_channels=[4, 8, 16, 32], num_classes=5, channels=16,
            pixel_decoder=dict(norm_groups=4),
        )))  # fmt: skip
