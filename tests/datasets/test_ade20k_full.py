"""ADE20K-Full: its classes, its 16-bit labels from file to training sample, and mIoU over 847 classes."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.structures import SegDataSample

from mmmaskformer.datasets import ADE20KFullDataset
from mmmaskformer.datasets.ade20k_full import CLASSES, RAW_NUMBERS, VOID, training_labels
from mmmaskformer.datasets.recipes import semantic_pipelines
from mmmaskformer.errors import UserError

pytestmark = pytest.mark.usefixtures("safeguarded")  # as in a run
SIZES = dict(short_side=64, crop_size=(64, 64), max_size=256, test_max_size=256, tta_max_size=448)
TRAIN, TEST, _ = semantic_pipelines(**SIZES, pad_label=VOID, load_labels="mmmaskformer.LoadWideAnnotations")


@pytest.fixture
def labels():
    """A label map in blocks, with labels that differ in their upper byte alone, the class 255, and void."""
    blocks = np.array([[0, 256, 512, 768], [255, 511, VOID, 846]], dtype=np.uint16)
    return np.kron(blocks, np.ones((16, 16), dtype=np.uint16))


@pytest.fixture
def folder(labels, tmp_path):
    """One image and its label map."""
    for name in ("images", "annotations"):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / "images/a.jpg"), np.full((*labels.shape, 3), 90, dtype=np.uint8))
    cv2.imwrite(str(tmp_path / "annotations/a.png"), labels)
    return tmp_path


def dataset(folder, pipeline, **kwargs):
    init_default_scope("mmseg")
    prefix = dict(img_path="images", seg_map_path="annotations")
    return ADE20KFullDataset(data_root=str(folder), data_prefix=prefix, pipeline=pipeline, **kwargs)


def test_the_classes_are_those_of_the_release_in_its_order(shared_data):
    table = json.loads((shared_data / "ade20k_full_categories.json").read_text())
    expected = sorted((entry["train_id"], entry["id"], entry["name"]) for entry in table)
    assert list(zip(range(847), RAW_NUMBERS, CLASSES)) == expected


def test_red_and_green_say_the_class_and_what_is_none_of_the_847_is_void():
    wall, unknown = RAW_NUMBERS[0], next(n for n in range(1, 4000) if n not in RAW_NUMBERS)
    colors = [[wall // 256 * 10, wall % 256, 77], [unknown // 256 * 10, unknown % 256, 0], [0, 0, 0], [255, 255, 9]]
    np.testing.assert_array_equal(training_labels(np.array([colors], dtype=np.uint8)), [[0, VOID, VOID, VOID]])


def test_16_bit_labels_reach_the_sample_unchanged(folder, labels):
    (sample,) = dataset(folder, TEST)
    np.testing.assert_array_equal(sample["data_samples"].gt_sem_seg.data[0].numpy(), labels)


def test_resizing_cropping_and_padding_in_training_make_no_labels_but_void(folder, labels):
    torch.manual_seed(0)
    np.random.seed(0)
    images = dataset(folder, TRAIN)
    seen = set()
    for _ in range(20):
        sample = images[0]
        assert tuple(sample["inputs"].shape[1:]) == (64, 64)
        seen |= set(sample["data_samples"].gt_sem_seg.data.unique().tolist())
    assert seen == set(np.unique(labels).tolist())


def test_a_subset_of_classes_turns_the_others_to_void_and_not_to_class_255(folder, labels):
    (sample,) = dataset(folder, TEST, metainfo=dict(classes=(CLASSES[846], CLASSES[256])))
    expected = np.select([labels == 846, labels == 256], [0, 1], VOID)
    np.testing.assert_array_equal(sample["data_samples"].gt_sem_seg.data[0].numpy(), expected)


def test_a_label_that_is_no_class_is_named_with_its_file(folder, labels):
    labels[0, 0] = 847
    cv2.imwrite(str(folder / "annotations/a.png"), labels)
    with pytest.raises(UserError, match=r"a\.png: labels \[847\]"):
        dataset(folder, TEST)[0]


@pytest.mark.parametrize(
    "spoilt, message",
    [("colors", "a.png has 3 channels .* one class index per pixel"), ("zero", "no reduce_zero_label")],
)
def test_label_maps_of_another_kind_are_refused(folder, labels, spoilt, message):
    if spoilt == "colors":
        cv2.imwrite(str(folder / "annotations/a.png"), np.dstack([labels] * 3))
    with pytest.raises(UserError, match=message):
        dataset(folder, TEST, reduce_zero_label=spoilt == "zero")[0]


def test_mmsegs_iou_counts_847_classes_right():
    """Against a confusion matrix; class 255 counts, 65535 does not, and no two classes share a bin."""
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.repeat(np.append(np.arange(847), VOID), 40)).reshape(106, 320)
    predicted = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, 847, truth.shape)) % VOID
    metric = IoUMetric(ignore_index=VOID)
    metric.dataset_meta = ADE20KFullDataset.METAINFO
    sample = SegDataSample(
        gt_sem_seg=PixelData(data=torch.from_numpy(truth)[None]),
        pred_sem_seg=PixelData(data=torch.from_numpy(predicted)[None]),
    )
    metric.process({}, [sample.to_dict()])
    valid = truth != VOID
    matrix = np.bincount(truth[valid] * 847 + predicted[valid], minlength=847**2).reshape(847, 847)
    hits = matrix.diagonal()
    iou = hits / (matrix.sum(0) + matrix.sum(1) - hits)
    assert metric.evaluate(1)["mIoU"] == pytest.approx(100 * iou.mean(), abs=0.006)
