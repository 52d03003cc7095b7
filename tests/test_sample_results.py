"""Predictions and truth are read from mmseg's and mmdet's data samples alike."""

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData, PixelData
from mmseg.structures import SegDataSample

from mmmaskformer.sample_results import prediction_of, truth_of

CODE = torch.tensor([[1000, 1, 3], [1000, 2, 2]])
MASKS = np.array([[[1, 0, 0], [1, 0, 0]]], bool).repeat(2, 0)
BOXES, LABELS = torch.tensor([[0.0, 0.0, 1.0, 2.0]]).repeat(2, 1), torch.tensor([0, 0])


def test_a_semantic_sample_of_mmseg_has_labels_alone() -> None:
    found = prediction_of(SegDataSample(pred_sem_seg=PixelData(data=torch.tensor([[[0, 2]]]))), 3)
    assert found.labels.tolist() == [[0, 2]] and found.panoptic is None and found.instances is None


def test_a_detectors_sample_has_all_that_it_predicts() -> None:
    scores = torch.tensor([0.4, 0.9])
    sample = DetDataSample(pred_panoptic_seg=PixelData(sem_seg=CODE[None]))
    sample.pred_instances = InstanceData(bboxes=BOXES, labels=LABELS, scores=scores, masks=torch.from_numpy(MASKS))
    found = prediction_of(sample, 3)
    assert found.labels is None and found.panoptic.ids.tolist() == [[3, 1, 0], [3, 2, 2]]
    assert found.instances.scores.tolist() == [np.float32(0.4), np.float32(0.9)]
    sample.pred_sem_seg = PixelData(sem_seg=CODE[None] % 1000)
    assert prediction_of(sample, 3).labels.tolist() == [[0, 1, 3], [0, 2, 2]]


def test_the_truth_of_a_sample_is_what_the_pipeline_loaded() -> None:
    sample = DetDataSample(gt_sem_seg=PixelData(sem_seg=CODE[None] % 1000))
    assert truth_of(sample).labels.tolist() == [[0, 1, 3], [0, 2, 2]] and truth_of(sample).instances is None
    masks = BitmapMasks(MASKS.astype(np.uint8), 2, 3)
    sample.gt_instances = InstanceData(bboxes=BOXES, labels=LABELS, masks=masks)
    found = truth_of(sample).instances
    assert (found.masks == MASKS).all() and found.boxes.tolist() == BOXES.tolist() and found.scores is None
    assert len(found.above(0.99)) == 2
