"""Loading panoptic ground truth gives what mmdet's own transform gives, without panopticapi."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.datasets.transforms import LoadPanopticAnnotations as MMDetLoadPanopticAnnotations
from mmengine.registry import init_default_scope
from panoptic_files import CAR, CROWD, META, PERSON, SIZE, SKY, scene, write_dataset

from mmmaskformer.coco.panoptic_png import write_panoptic_png
from mmmaskformer.datasets import CheckedPanopticDataset, LoadPanopticAnnotations, PennFudanDataset
from mmmaskformer.datasets.shapes import ShapesPanopticDataset
from mmmaskformer.errors import UserError

PREFIX = dict(img="images", seg="panoptic")


@pytest.fixture(autouse=True)
def mmdet_scope():
    init_default_scope("mmdet")


@pytest.fixture
def folder(tmp_path):
    return write_dataset(tmp_path / "data")


def sample_of(folder: Path, index: int = 0) -> dict:
    """A sample as it is when the image was loaded."""
    dataset = CheckedPanopticDataset(
        data_root=str(folder), ann_file="panoptic.json", data_prefix=PREFIX, metainfo=META, test_mode=True
    )
    return {**dataset.get_data_info(index), "ori_shape": SIZE}


def assert_same(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    assert ours["gt_bboxes"].tensor.dtype == theirs["gt_bboxes"].tensor.dtype
    np.testing.assert_array_equal(ours["gt_bboxes"].tensor, theirs["gt_bboxes"].tensor)
    np.testing.assert_array_equal(ours["gt_masks"].masks, theirs["gt_masks"].masks)
    for key in ("gt_bboxes_labels", "gt_ignore_flags", "gt_seg_map"):
        np.testing.assert_array_equal(ours[key], theirs[key], err_msg=key)
        assert ours[key].dtype == theirs[key].dtype, key


def shapes(folder: Path) -> ShapesPanopticDataset:
    return ShapesPanopticDataset(
        generate=dict(train=1, val=4, height=64, width=80),
        data_root=str(folder / "shapes"),
        ann_file="panoptic_val.json",
        data_prefix=dict(img="images/val", seg="panoptic/val"),
    )


def coco(folder: Path) -> CheckedPanopticDataset:
    return CheckedPanopticDataset(data_root=str(folder), ann_file="panoptic.json", data_prefix=PREFIX)


def pennfudan(folder: Path) -> PennFudanDataset:
    prefix = dict(img="images/val", seg="panoptic/val")
    return PennFudanDataset(data_root=str(folder), ann_file="panoptic_val.json", data_prefix=prefix)


@pytest.mark.parametrize("name", ["shapes", "coco_panoptic_sample", "pennfudan"])
def test_everything_is_what_mmdets_transform_loads(name, tmp_path, request):
    pytest.importorskip("panopticapi")
    if name == "shapes":
        dataset = shapes(tmp_path)
    else:
        shared = request.getfixturevalue("shared_data") / name
        dataset = {"coco_panoptic_sample": coco, "pennfudan": pennfudan}[name](shared)
    for index in range(len(dataset)):
        sample = dataset.get_data_info(index)
        sample["ori_shape"] = (sample["height"], sample["width"])
        assert_same(LoadPanopticAnnotations()(dict(sample)), MMDetLoadPanopticAnnotations()(dict(sample)))


def test_crowd_and_void_are_what_mmdets_transform_makes_of_them(folder):
    pytest.importorskip("panopticapi")
    sample = sample_of(folder)
    assert_same(LoadPanopticAnnotations()(dict(sample)), MMDetLoadPanopticAnnotations()(dict(sample)))


def test_things_are_instances_and_every_pixel_has_its_class(folder):
    loaded = LoadPanopticAnnotations()(sample_of(folder))
    ids = scene()
    np.testing.assert_array_equal(loaded["gt_masks"].masks[2], ids == CAR)
    assert loaded["gt_bboxes_labels"].tolist() == [0, 0, 1]
    assert loaded["gt_bboxes"].tensor.tolist() == [[1, 2, 3, 8], [3, 2, 6, 8], [2, 9, 9, 11]]
    for number, label in ((PERSON, 0), (CROWD, 0), (CAR, 1), (SKY, 2), (0, 255)):
        assert set(loaded["gt_seg_map"][ids == number]) == {label}


def test_boxes_are_the_masks_when_the_json_has_them_wrong(tmp_path):
    def shift(panoptic):
        panoptic["annotations"][0]["segments_info"][0]["bbox"] = [14, 2, 9, -1]

    loaded = LoadPanopticAnnotations()(sample_of(write_dataset(tmp_path / "data", shift)))
    assert loaded["gt_bboxes"].tensor[0].tolist() == [1, 2, 3, 8]


def test_void_has_the_label_that_it_is_given(folder):
    usual = LoadPanopticAnnotations()(sample_of(folder))["gt_seg_map"]
    wide = LoadPanopticAnnotations(void_label=65535)(sample_of(folder))["gt_seg_map"]
    assert (usual == 255).any()
    np.testing.assert_array_equal(wide, np.where(usual == 255, 65535, usual))


def test_an_image_of_stuff_alone_has_no_instance(folder):
    write_panoptic_png(np.full(SIZE, SKY, np.int32), folder / "panoptic/3.png")
    sample = sample_of(folder)
    sample["segments_info"] = [segment for segment in sample["segments_info"] if segment["id"] == SKY]
    loaded = LoadPanopticAnnotations()(sample)
    assert loaded["gt_masks"].masks.shape == (0, *SIZE) and loaded["gt_bboxes"].tensor.shape == (0, 4)
    assert (loaded["gt_seg_map"] == 2).all()


@pytest.mark.parametrize("switch, keys", [
    ("with_bbox", {"gt_bboxes", "gt_ignore_flags"}), ("with_label", {"gt_bboxes_labels"}),
    ("with_mask", {"gt_masks"}), ("with_seg", {"gt_seg_map"}),
])  # fmt: skip
def test_a_switch_leaves_out_its_own_and_nothing_else(folder, switch, keys):
    everything = LoadPanopticAnnotations()(sample_of(folder)).keys()
    assert everything - LoadPanopticAnnotations(**{switch: False})(sample_of(folder)).keys() == keys


def test_a_test_image_without_truth_is_left_alone(folder):
    sample = {**sample_of(folder), "seg_map_path": None}
    assert LoadPanopticAnnotations()(dict(sample)) == sample


def test_a_png_of_another_size_is_named_with_the_image(folder):
    sample = {**sample_of(folder), "ori_shape": (12, 15)}
    with pytest.raises(UserError, match=r"3\.png is 12x16 but its image .*3\.jpg is 12x15: .* must have the same size"):
        LoadPanopticAnnotations()(sample)


def test_a_png_that_is_missing_or_broken_is_named(folder):
    sample = sample_of(folder)
    (folder / "panoptic/3.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"panoptic/3\.png cannot be decoded"):
        LoadPanopticAnnotations()(dict(sample))
    (folder / "panoptic/3.png").unlink()
    with pytest.raises(UserError, match=r"panoptic PNG .*panoptic/3\.png does not exist"):
        LoadPanopticAnnotations()(sample)


def test_it_does_without_panopticapi(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "panopticapi", None)
    with pytest.raises(ImportError, match="panopticapi"):
        MMDetLoadPanopticAnnotations()
    dataset = CheckedPanopticDataset(
        data_root=str(folder), ann_file="panoptic.json", data_prefix=PREFIX, metainfo=META,
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="mmmaskformer.LoadPanopticAnnotations", with_bbox=True, with_mask=True, with_seg=True),
            dict(type="Resize", scale=(32, 24)),
            dict(type="PackDetInputs"),
        ],
    )  # fmt: skip
    sample = dataset[0]["data_samples"]
    assert sample.gt_instances.masks.masks.shape == (3, 24, 32)
    assert tuple(sample.gt_sem_seg.sem_seg.shape) == (1, 24, 32)


def test_a_semantic_label_map_in_the_place_of_the_png_is_named(folder):
    cv2.imwrite(str(folder / "panoptic/3.png"), np.zeros(SIZE, np.uint8))
    with pytest.raises(UserError, match=r"3\.png has 1 channel.*Is it a semantic label map"):
        LoadPanopticAnnotations()(sample_of(folder))
