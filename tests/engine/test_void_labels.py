"""All parts of a run mean the same by void, or it ends before the first iteration."""

from collections.abc import Sequence

import pytest
from mmcv.transforms import Pad
from mmdet.models import DetDataPreprocessor
from mmengine.dataset import ConcatDataset
from mmengine.registry import init_default_scope
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import RandomCrop, RandomRotate
from mmseg.evaluation import IoUMetric
from mmseg.models import FCNHead, SegDataPreProcessor
from torch import nn

from mmmaskformer.datasets import LoadPanopticAnnotations
from mmmaskformer.engine.void_labels import check_void_labels
from mmmaskformer.errors import UserError


class Head(nn.Module):
    """A head as the check sees it."""

    def __init__(self, num_classes: int, ignore_index: int, num_stuff_classes: int = 1) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.num_stuff_classes = num_stuff_classes

    def check_dataset_meta(self, metainfo: dict) -> None:
        """Takes every data set."""


def check(head: Head, *steps: object, metrics: Sequence = (), **parts: nn.Module) -> list[str]:
    init_default_scope("mmseg")
    model = nn.Module()
    model.decode_head = head
    for name, part in parts.items():
        setattr(model, name, part)
    dataset = BaseSegDataset(pipeline=list(steps), lazy_init=True)
    return check_void_labels(model, ConcatDataset([dataset], lazy_init=True), metrics)


USUAL = {
    "Pad.pad_val": dict(steps=[Pad(size=(64, 64))]),
    "RandomRotate.seg_pad_val": dict(steps=[RandomRotate(prob=0.5, degree=10)]),
    "LoadPanopticAnnotations.void_label": dict(steps=[LoadPanopticAnnotations()]),
    "IoUMetric.ignore_index": dict(metrics=[IoUMetric()]),
    "model.data_preprocessor.seg_pad_val": dict(data_preprocessor=SegDataPreProcessor(size=(64, 64))),
    "model.data_preprocessor.seg_pad_value": dict(data_preprocessor=DetDataPreprocessor(pad_seg=True)),
    "model.auxiliary_head.ignore_index": dict(
        auxiliary_head=FCNHead(in_channels=4, channels=4, num_classes=847, num_convs=1)
    ),
}


@pytest.mark.parametrize("where", USUAL)
def test_a_part_that_was_left_at_255_is_refused_where_255_is_a_class(where: str) -> None:
    parts = dict(USUAL[where])
    steps = parts.pop("steps", [])
    with pytest.raises(UserError, match=rf"^{where}.* is 255, .* one of the 847 classes of Head: set it to 65535"):
        check(Head(847, 65535), *steps, **parts)
    assert check(Head(255, 255), *steps, **parts) == []
    assert check(Head(847, 255, num_stuff_classes=0), *steps, **parts) == [], "instances have no semantic maps"


def test_parts_that_know_the_heads_void_and_a_crops_counting_pass() -> None:
    steps = [Pad(size=(64, 64), pad_val=dict(img=0, seg=65535)), RandomCrop(crop_size=(8, 8))]
    preprocessors = (SegDataPreProcessor(size=(8, 8), seg_pad_val=65535), DetDataPreprocessor(pad_seg=False))
    for preprocessor in preprocessors:
        metrics = [IoUMetric(ignore_index=65535)]
        assert check(Head(847, 65535), *steps, metrics=metrics, data_preprocessor=preprocessor) == []


def test_a_metric_with_another_void_label_than_the_head_is_warned_of() -> None:
    (warning,) = check(Head(5, 255), metrics=[IoUMetric(ignore_index=0)])
    assert warning.startswith("IoUMetric leaves out pixels with the label 0, but void is 255 for Head")
