"""Mask AP needs no instance json where there is a panoptic one."""

import json

import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement, InstanceData
from panoptic_files import CAR, META, OTHER_PERSON, PERSON, SIZE, scene, write_dataset

from mmmaskformer.coco.panoptic_json import read_panoptic_json
from mmmaskformer.datasets.panoptic_instances import instances_of_panoptic
from mmmaskformer.errors import UserError
from mmmaskformer.evaluation import PanopticInstanceMetric


@pytest.fixture
def folder(tmp_path):
    return write_dataset(tmp_path / "data")


def prediction(image_id, ids, numbers, labels, shift=0):
    """Some segments of a scene as instances, moved down by a few pixels."""
    masks = torch.stack([torch.from_numpy(ids == number) for number in numbers]).roll(shift, 1)
    boxes = torch.tensor([[0.0, 0.0, SIZE[1], SIZE[0]]]).repeat(len(numbers), 1)
    scores = torch.linspace(0.9, 0.5, len(numbers))
    instances = InstanceData(bboxes=boxes, labels=torch.tensor(labels), scores=scores, masks=masks)
    return BaseDataElement(metainfo=dict(img_id=image_id, ori_shape=SIZE), pred_instances=instances)


def evaluate(metric, shift=0, meta=META):
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = meta
    for image_id, ids in ((3, scene()), (8, scene()[:, ::-1].copy())):
        sample = prediction(image_id, ids, (PERSON, OTHER_PERSON, CAR), (0, 0, 1), shift)
        evaluator.process([sample], {})
    return evaluator.evaluate(2)


def ours(folder, **options):
    return PanopticInstanceMetric(str(folder / "panoptic.json"), str(folder / "panoptic"), **options)


def test_true_instances_have_ap_1_and_shifted_ones_less(folder):
    assert evaluate(ours(folder))["coco/segm_mAP"] == 1
    assert 0 < evaluate(ours(folder), shift=1)["coco/segm_mAP"] < 0.9
    assert evaluate(ours(folder), shift=7)["coco/segm_mAP_50"] == 0


def test_it_is_mmdets_metric_on_the_derived_json(folder, tmp_path):
    path = str(folder / "panoptic.json")
    instances = instances_of_panoptic(read_panoptic_json(path), str(folder / "panoptic"), path)
    (tmp_path / "instances.json").write_text(json.dumps(instances))
    theirs = CocoMetric(ann_file=str(tmp_path / "instances.json"), metric="segm")
    assert evaluate(ours(folder), shift=1) == evaluate(theirs, shift=1)


def test_it_writes_nothing_into_a_read_only_folder_and_can_be_evaluated_again(folder):
    folder.chmod(0o555)
    before = sorted(folder.rglob("*"))
    metric = ours(folder, classwise=True)
    first = evaluate(metric)
    assert evaluate(metric) == first and first["coco/car_precision"] == 1
    assert sorted(folder.rglob("*")) == before
    folder.chmod(0o755)


def test_a_json_of_other_classes_is_refused(folder):
    meta = dict(classes=("man", "car", "sky"), thing_classes=("man", "car"), stuff_classes=("sky",))
    with pytest.raises(UserError, match=r"is no category of "):
        evaluate(ours(folder), meta=meta)
