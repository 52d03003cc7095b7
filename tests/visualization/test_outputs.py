"""Predictions are read from mmseg's and mmdet's data samples alike."""

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData, PixelData
from mmseg.structures import SegDataSample

from mmmaskformer.visualization import Outputs, read_outputs

CLASSES = ("square", "left", "right")
PALETTE = [(220, 20, 60), (0, 90, 200), (240, 200, 40)]
ENCODED = torch.tensor([[1000, 1, 3], [1000, 2, 2]])


def instances() -> InstanceData:
    masks = torch.zeros(2, 2, 3, dtype=torch.bool)
    masks[:, :, 0] = True
    return InstanceData(
        bboxes=torch.tensor([[0.0, 0.0, 1.0, 2.0]]).repeat(2, 1),
        labels=torch.tensor([0, 0]),
        scores=torch.tensor([0.4, 0.9]),
        masks=masks,
    )


def detections() -> DetDataSample:
    """All that our detector predicts."""
    sample = DetDataSample(pred_panoptic_seg=PixelData(sem_seg=ENCODED[None]))
    ids = torch.tensor([2, 1, 1000])
    sample.pred_segments = InstanceData(ids=ids, labels=torch.tensor([2, 1, 0]), scores=torch.tensor([0.9, 0.8, 0.7]))
    sample.pred_instances = instances()
    sample.pred_sem_seg = PixelData(sem_seg=ENCODED[None] % 1000)
    return sample


def test_a_semantic_sample_of_mmseg_has_labels_alone() -> None:
    found = read_outputs(SegDataSample(pred_sem_seg=PixelData(data=torch.tensor([[[0, 2]]]))), 3)
    assert found.labels.tolist() == [[0, 2]] and found.panoptic is None and found.instances is None


def test_a_detectors_sample_has_all_that_it_predicts() -> None:
    found = read_outputs(detections(), 3)
    assert found.labels.tolist() == [[0, 1, 3], [0, 2, 2]]
    assert found.panoptic.ids.tolist() == [[3, 2, 0], [3, 1, 1]]
    assert [round(segment.score, 3) for segment in found.panoptic.segments] == [0.9, 0.8, 0.7]
    assert found.instances.scores.tolist() == [np.float32(0.4), np.float32(0.9)]


def test_mmdets_own_detectors_have_segments_without_scores() -> None:
    sample = DetDataSample(pred_panoptic_seg=PixelData(sem_seg=ENCODED[None].int()), pred_instances=instances())
    found = read_outputs(sample, 3)
    assert [(s.label, s.is_thing, s.score) for s in found.panoptic.segments] == [
        (1, False, None),
        (2, False, None),
        (0, True, None),
    ]
    assert found.labels is None and len(found.instances) == 2


def test_each_kind_of_output_has_its_picture_and_unsure_instances_are_left_out() -> None:
    found = read_outputs(detections(), 3)
    image = np.zeros((2, 3, 3), np.uint8)
    pictures = dict(found.overlays(image, CLASSES, PALETTE, opacity=1.0))
    assert list(pictures) == ["panoptic", "instance", "semantic"]
    none = dict(found.overlays(image, CLASSES, PALETTE, opacity=1.0, min_score=0.95))
    assert pictures["instance"][:, :384].any() and not none["instance"][:500].any()
    assert list(Outputs().overlays(image, CLASSES, PALETTE)) == []
