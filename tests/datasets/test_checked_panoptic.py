"""Panoptic data sets give mmdet's samples from good files and say what is wrong with bad ones."""

import contextlib
import io
import shutil
from pathlib import Path

import pytest
from mmdet.datasets import CocoPanopticDataset
from mmengine.registry import init_default_scope
from panoptic_files import CATEGORIES, CROWD, META, PERSON, write_dataset

from mmmaskformer.datasets import CheckedPanopticDataset
from mmmaskformer.errors import UserError

PREFIX = dict(img="images", seg="panoptic")


@pytest.fixture(autouse=True)
def mmdet_scope():
    init_default_scope("mmdet")


def build(folder: Path, kind: type = CheckedPanopticDataset, **arguments):
    arguments = {"ann_file": "panoptic.json", "data_prefix": PREFIX, "metainfo": META, **arguments}
    with contextlib.redirect_stdout(io.StringIO()):  # mmdet's reports that it loads
        return kind(data_root=str(folder), test_mode=True, **arguments)


def every_sample(dataset):
    return [dataset.get_data_info(index) for index in range(len(dataset))]


def test_samples_are_those_of_mmdets_data_set(tmp_path):
    folder = write_dataset(tmp_path / "data")
    ours, theirs = build(folder), build(folder, CocoPanopticDataset)
    assert every_sample(ours) == every_sample(theirs) and len(ours) == 2
    assert (ours.cat_ids, ours.cat2label) == (theirs.cat_ids, theirs.cat2label)


@pytest.mark.parametrize("name, json_name, prefix", [
    ("coco_panoptic_sample", "panoptic.json", PREFIX),
    ("pennfudan", "panoptic_val.json", dict(img="images/val", seg="panoptic/val")),
])  # fmt: skip
def test_samples_of_real_files_are_those_of_mmdets_data_set(shared_data, name, json_name, prefix):
    metainfo = None
    if name == "pennfudan":
        metainfo = dict(classes=("person", "background"), thing_classes=("person",), stuff_classes=("background",))
    arguments = dict(ann_file=json_name, data_prefix=prefix, metainfo=metainfo)
    ours, theirs = (
        build(shared_data / name, kind, **arguments) for kind in (CheckedPanopticDataset, CocoPanopticDataset)
    )
    assert every_sample(ours) == every_sample(theirs) and len(ours) > 0


def test_a_crowd_is_a_segment_but_no_instance(tmp_path):
    sample = build(write_dataset(tmp_path / "data")).get_data_info(0)
    crowd = next(segment for segment in sample["segments_info"] if segment["id"] == CROWD)
    assert crowd == dict(id=CROWD, category=0, is_thing=False)
    assert [instance["bbox_label"] for instance in sample["instances"]] == [0, 0, 1]


def test_a_segment_with_an_empty_box_stays_unlike_in_mmdets_data_set(tmp_path):
    def empty_box(panoptic):
        panoptic["annotations"][0]["segments_info"][0]["bbox"] = [1, 2, -3, 6]

    folder = write_dataset(tmp_path / "data", empty_box)
    ids = [
        [segment["id"] for segment in build(folder, kind).get_data_info(0)["segments_info"]]
        for kind in (CheckedPanopticDataset, CocoPanopticDataset)
    ]
    assert PERSON in ids[0] and PERSON not in ids[1]


def test_the_png_is_the_one_that_the_annotation_names(tmp_path):
    def rename(panoptic):
        panoptic["annotations"][0]["file_name"] = "first.png"

    folder = write_dataset(tmp_path / "data", rename)
    (folder / "panoptic/3.png").rename(folder / "panoptic/first.png")
    assert build(folder).get_data_info(0)["seg_map_path"].endswith("panoptic/first.png")


def test_images_without_ground_truth_can_be_tested(tmp_path):
    folder = write_dataset(tmp_path / "data", lambda panoptic: panoptic.pop("annotations"))
    sample = build(folder, data_prefix=dict(img="images")).get_data_info(1)
    assert sample["seg_map_path"] is None and sample["segments_info"] == sample["instances"] == []
    with pytest.raises(UserError, match=r"has no annotations; leave data_prefix\.seg out"):
        build(folder)


@pytest.mark.parametrize(
    "gone, message",
    [
        ("panoptic.json", r"panoptic json .*panoptic\.json does not exist"),
        ("images", r"folder .*images does not exist"),
        ("panoptic", r"folder .*panoptic does not exist"),
        ("images/8.jpg", r"1 of 2 images of .*panoptic\.json are missing, the first: .*images/8\.jpg"),
        ("panoptic/3.png", r"1 of 2 panoptic PNGs of .*panoptic\.json are missing, the first: .*panoptic/3\.png"),
    ],
)
def test_a_missing_file_is_named(tmp_path, gone, message):
    folder = write_dataset(tmp_path / "data")
    shutil.rmtree(folder / gone) if (folder / gone).is_dir() else (folder / gone).unlink()
    with pytest.raises(UserError, match=rf"CheckedPanopticDataset: {message}"):
        build(folder)


def test_a_json_of_other_classes_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"\(131 of 133 classes\) are no categories of .*panoptic\.json"):
        build(write_dataset(tmp_path / "data"), metainfo=None)


def test_classes_that_things_and_stuff_do_not_add_up_to_are_refused(tmp_path):
    metainfo = {**META, "stuff_classes": ()}
    with pytest.raises(UserError, match=r"classes has 3 names, which must be the 2 of thing_classes followed by the 0"):
        build(write_dataset(tmp_path / "data"), metainfo=metainfo)


def test_a_data_set_of_things_alone_is_one(tmp_path):
    def things_alone(panoptic):
        panoptic["categories"] = CATEGORIES[:2]
        for entry in panoptic["annotations"]:
            entry["segments_info"] = [s for s in entry["segments_info"] if s["category_id"] != 92]

    metainfo = dict(classes=META["thing_classes"], thing_classes=META["thing_classes"], stuff_classes=())
    folder = write_dataset(tmp_path / "data", things_alone)
    assert len(build(folder, metainfo=metainfo)) == 2
