"""Bad files in a data set are named, with what is wrong in them."""

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from PIL import Image

from mmmaskformer.datasets import CheckedSegDataset
from mmmaskformer.errors import UserError

pytestmark = pytest.mark.usefixtures("safeguarded")  # as in a run
LOAD = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]
TTA = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="ResizeShortestEdge", scale=side, max_size=64) for side in (16, 32)],
            [dict(type="LoadAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]


@pytest.fixture
def folder(tmp_path):
    init_default_scope("mmseg")
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for name in "ab":
        Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(tmp_path / "images" / f"{name}.jpg")
        Image.fromarray(np.array([[0, 1, 2]] * 20, np.uint8).repeat(10, 1)).save(tmp_path / "labels" / f"{name}.png")
    return tmp_path


def build(folder, **arguments):
    arguments = {
        "metainfo": dict(classes=("x", "y", "z")),
        "data_prefix": dict(img_path="images", seg_map_path="labels"),
        "pipeline": LOAD,
        **arguments,
    }
    return CheckedSegDataset(data_root=str(folder), **arguments)


def test_good_files_load(folder):
    assert [len(sample["inputs"]) for sample in build(folder)] == [3, 3]


@pytest.mark.parametrize("pipeline", [LOAD, TTA])
def test_a_label_that_is_no_class_is_reported_with_value_and_file(folder, pipeline):
    Image.fromarray(np.full((20, 30), 7, np.uint8)).save(folder / "labels" / "b.png")
    dataset = build(folder, pipeline=pipeline)
    dataset[0]
    with pytest.raises(UserError, match=r"labels/b\.png: labels \[7\] after loading; expected 0\.\.2 .*255"):
        dataset[1]


def test_the_ignore_index_is_no_wrong_label(folder):
    Image.fromarray(np.full((20, 30), 7, np.uint8)).save(folder / "labels" / "b.png")
    assert build(folder, ignore_index=7)[1]["data_samples"].gt_sem_seg.data.eq(7).all()


@pytest.mark.parametrize("name", ["images/b.jpg", "labels/b.png"])
def test_a_file_that_cannot_be_decoded_is_named(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:60])
    with pytest.raises(UserError, match=rf"{name} cannot be decoded"):
        build(folder)[1]


def test_the_error_survives_a_loader_s_worker_process(folder):
    (folder / "images/b.jpg").write_bytes(b"no image")
    loader = torch.utils.data.DataLoader(build(folder), num_workers=1, collate_fn=list)
    with pytest.raises(UserError, match=r"images/b\.jpg cannot be decoded"):
        list(loader)


def test_a_missing_folder_is_named(folder):
    with pytest.raises(UserError, match=r"folder .*masks does not exist"):
        build(folder, data_prefix=dict(img_path="images", seg_map_path="masks"))


def test_a_folder_without_images_of_the_suffix_is_named(folder):
    with pytest.raises(UserError, match=r"no '\*\.tif' in .*images"):
        build(folder, img_suffix=".tif")


def test_an_image_without_a_label_map_is_named(folder):
    (folder / "labels/a.png").unlink()
    with pytest.raises(UserError, match=r"1 of 2 images have no label map, the first: .*a\.jpg lacks .*a\.png"):
        build(folder)


def test_images_alone_can_be_tested(folder):
    dataset = build(
        folder,
        data_prefix=dict(img_path="images"),
        test_mode=True,
        pipeline=[dict(type="LoadImageFromFile"), dict(type="PackSegInputs")],
    )
    assert len(dataset) == 2 and dataset[0]["inputs"].shape == (3, 20, 30)


MASKS = {"metainfo": dict(classes=("background", "cell")), "label_values": (0, 255)}


def write_mask(folder, name, *values):
    Image.fromarray(np.array([values] * 20, np.uint8).repeat(30 // len(values), 1)).save(folder / f"labels/{name}.png")


@pytest.mark.parametrize("pipeline", [LOAD, TTA])
def test_masks_of_0_and_255_are_read_as_two_classes(folder, pipeline):
    write_mask(folder, "a", 0, 255)
    sample = build(folder, pipeline=pipeline, **MASKS)[0]["data_samples"]
    labels = (sample[0] if isinstance(sample, list) else sample).gt_sem_seg.data[0]
    assert labels.shape == (20, 30)
    assert (labels[:, :15] == 0).all() and (labels[:, 15:] == 1).all()


@pytest.mark.parametrize("value", [1, 128, 254])
def test_other_values_than_those_of_the_classes_are_refused(folder, value):
    write_mask(folder, "a", 0, value, 255)
    with pytest.raises(UserError, match=r"a\.png: values that are none of label_values=\[0, 255\]"):
        build(folder, **MASKS)[0]


def test_values_that_are_void_may_be_beside_those_of_classes(folder):
    write_mask(folder, "a", 0, 7, 255)
    labels = build(folder, **{**MASKS, "label_values": (7, 0)})[0]["data_samples"].gt_sem_seg.data
    assert labels.unique().tolist() == [0, 1, 255]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(label_values=(0, 1, 255)), r"label_values=\[0, 1, 255\] must be 2 different values, one per class"),
        (dict(label_values=(255, 255)), r"must be 2 different values"),
        (dict(reduce_zero_label=True), "cannot be combined with reduce_zero_label"),
        (dict(metainfo=dict(classes=list(map(str, range(255)))), label_values=range(255)), "for up to 254 classes"),
    ],
)
def test_values_that_do_not_fit_the_classes_are_refused(folder, changes, message):
    with pytest.raises(UserError, match=message):
        build(folder, **{**MASKS, **changes})
