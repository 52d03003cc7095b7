"""The instance json that panoptic ground truth implies."""

import json

import numpy as np
import pytest
from panoptic_files import CAR, CATEGORIES, CROWD, OTHER_PERSON, PERSON, scene, write_dataset
from pycocotools import mask as rle
from pycocotools.coco import COCO

from mmmaskformer.coco.panoptic_json import read_panoptic_json
from mmmaskformer.datasets.panoptic_instances import instances_of_panoptic
from mmmaskformer.errors import UserError


@pytest.fixture
def folder(tmp_path):
    return write_dataset(tmp_path / "data")


def derive(folder):
    path = str(folder / "panoptic.json")
    return instances_of_panoptic(read_panoptic_json(path), str(folder / "panoptic"), path)


def test_every_thing_is_an_instance_with_its_mask_box_and_area(folder):
    instances = json.loads(json.dumps(derive(folder)))
    assert instances["categories"] == CATEGORIES[:2]
    first = [annotation for annotation in instances["annotations"] if annotation["image_id"] == 3]
    assert [annotation["category_id"] for annotation in first] == [7, 7, 3, 7]
    assert [annotation["iscrowd"] for annotation in first] == [0, 0, 0, 1]
    for annotation, number in zip(first, (PERSON, OTHER_PERSON, CAR, CROWD)):
        mask = scene() == number
        np.testing.assert_array_equal(rle.decode(annotation["segmentation"]), mask)
        assert annotation["area"] == mask.sum()
        rows, columns = np.nonzero(mask)
        assert annotation["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]


def test_pycocotools_reads_it(folder, tmp_path):
    (tmp_path / "instances.json").write_text(json.dumps(derive(folder)))
    coco = COCO(tmp_path / "instances.json")
    assert sorted(coco.anns) == list(range(1, 9)) and sorted(coco.getImgIds(catIds=[3])) == [3, 8]
    assert coco.annToMask(coco.anns[8]).sum() == 10


def test_pennfudans_pedestrians_are_all_there(shared_data):
    path = shared_data / "pennfudan" / "panoptic_val.json"
    instances = instances_of_panoptic(read_panoptic_json(path), shared_data / "pennfudan/panoptic/val", path)
    truth = json.loads(path.read_text())
    people = [s for entry in truth["annotations"] for s in entry["segments_info"] if s["category_id"] == 1]
    assert [(a["area"], a["bbox"]) for a in instances["annotations"]] == [(s["area"], s["bbox"]) for s in people]
    assert len(instances["images"]) == 25 and [c["name"] for c in instances["categories"]] == ["person"]


def test_a_png_that_disagrees_with_the_json_is_named(folder):
    (folder / "panoptic/3.png").write_bytes((folder / "panoptic/8.png").read_bytes())
    panoptic = read_panoptic_json(str(folder / "panoptic.json"))
    panoptic.annotations[0].segments_info.pop(0)
    with pytest.raises(UserError, match=r"3\.png: the map has the ids 70000, which"):
        instances_of_panoptic(panoptic, str(folder / "panoptic"), "panoptic.json")
