"""What mmdet or pycocotools would stumble over in an instance JSON is named with its place and value."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from coco_files import instance_content, panoptic_content

from mmmaskformer.coco.instance_json import check_instance_json
from mmmaskformer.errors import UserError

NEEDED = dict(masks=True, evaluated=True)


def write(path: Path, change: Callable[[dict], object] = lambda content: None) -> Path:
    content = json.loads(json.dumps(instance_content()))
    change(content)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda c: None,
        lambda c: c.pop("annotations"),
        lambda c: c["annotations"][0].update(image_id=77),  # both leave it out
        lambda c: c["annotations"][0].update(category_id=77, iscrowd=True),
        lambda c: c["annotations"][0].update(segmentation=[[1, 1, 5, 1, 5, 5], [0, 0, 1, 1, 1, 0.5, 2, 2]]),
        lambda c: c["images"][0].update(license=3),
    ],
)
def test_a_right_file_passes(tmp_path: Path, change: Callable) -> None:
    assert check_instance_json(write(tmp_path / "a.json", change), **NEEDED) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("categories"), r"is no instance json: it has no categories"),
        (lambda c: c["images"][1].pop("width"), r"images\[1\] \(\{.*\) has no width"),
        (lambda c: c["images"][1].update(id=4), r"two images have the id 4"),
        (lambda c: c["categories"][1].update(id=7), r"two categories have the id 7"),
        (lambda c: c["categories"][1].update(name="person"), r"two categories have the name 'person'"),
        (lambda c: c["annotations"][1].update(id=1), r"two annotations have the id 1"),
        (lambda c: c["annotations"][1].pop("area"), r"annotations\[1\] \(.*\) has no area"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, 3]), r"annotations\[1\]\.bbox is \[1, 2, 3\]: .* length 4"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, 3, 1e9]), r"bbox\[3\] is 1000000000\.0: expected `float` <="),
        (lambda c: c["annotations"][1].pop("iscrowd"), r"annotations\[1\] \(id 2\) has no iscrowd; write 1 for crowds"),
        (lambda c: c["annotations"][1].pop("segmentation"), r"annotations\[1\] \(id 2\) has no segmentation"),
        (lambda c: c["annotations"][1].update(segmentation=[]), r"annotations\[1\] \(id 2\) has no segmentation"),
        (
            lambda c: c["annotations"][0].update(segmentation=[[1, 2, "x", 4]]),
            r"annotations\[0\]\.segmentation\[0\]\[2\] is 'x': expected `float`, got `str`",
        ),
        (lambda c: c["annotations"][0].update(segmentation=[[1]]), r"segmentation\[0\] is \[1\]: .* length >= 4"),
        (lambda c: c["annotations"][0].update(segmentation=[[0, 0, 1e9, 9]]), r"\[0\]\[2\] is 1000000000\.0"),
        (
            lambda c: c["annotations"][2]["segmentation"].update(counts="P"),
            r"the segmentation of annotations\[2\] \(id 3\) is no run-length encoded mask of 24x32 pixels",
        ),
        (lambda c: c["annotations"][1]["segmentation"].update(counts=[5]), r"is no run-length encoded mask of 24x32"),
        (
            lambda c: c["annotations"][1]["segmentation"].pop("size"),
            r"\[1\]\.segmentation \(\{.*\) has no size",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: Callable, message: str) -> None:
    with pytest.raises(UserError, match=rf"a\.json.*{message}"):
        check_instance_json(write(tmp_path / "a.json", change), **NEEDED)


def test_what_only_masks_or_evaluation_need_may_be_missing_otherwise(tmp_path: Path) -> None:
    def drop(content: dict) -> None:
        for annotation in content["annotations"]:
            del annotation["iscrowd"], annotation["segmentation"]

    assert check_instance_json(write(tmp_path / "a.json", drop)) is None


def test_a_panoptic_json_is_known_by_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(panoptic_content()))
    with pytest.raises(UserError, match=r"annotations\[0\] \(.*\) has no bbox; is it a panoptic json\?"):
        check_instance_json(tmp_path / "a.json")
