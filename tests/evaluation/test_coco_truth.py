"""JSON and PNGs of panoptic truth that do not fit each other, or the classes, are named."""

import json
from pathlib import Path

import numpy as np
import pytest
from panoptic_scenes import CATEGORIES, META, THINGS, random_scene, write_truth

from mmmaskformer.coco.panoptic_png import write_panoptic_png
from mmmaskformer.errors import UserError
from mmmaskformer.evaluation.coco_truth import CocoPanopticTruth, segments_of_sample


@pytest.fixture
def ann_file(tmp_path: Path) -> Path:
    return write_truth(tmp_path, [random_scene(5)])


def open_truth(ann_file: Path, meta: dict = META) -> CocoPanopticTruth:
    return CocoPanopticTruth(ann_file, None, meta)


def image(image_id: int, file_name: str) -> dict:
    return {"id": image_id, "file_name": file_name, "height": 1, "width": 1}


def rewrite(ann_file: Path, **changes) -> Path:
    ann_file.write_text(json.dumps({**json.loads(ann_file.read_text()), **changes}))
    return ann_file


def test_segments_have_the_classes_of_their_categories_names(ann_file: Path) -> None:
    truth, scene = open_truth(ann_file), random_scene(5)
    segments = truth.segments(100)
    numbers = np.array([0, *(info["id"] for info in scene.truth_info)])
    assert np.array_equal(numbers[segments.ids], scene.truth)
    names = {category["id"]: category["name"] for category in CATEGORIES}
    assert [META["classes"][label] for label in segments.labels] == [
        names[info["category_id"]] for info in scene.truth_info
    ]
    assert segments.crowd.tolist() == [bool(info["iscrowd"]) for info in scene.truth_info]
    assert truth.category_ids == [7, 3, 92, 11]


def test_the_two_coco_samples_are_read_with_their_133_classes(shared_data: Path) -> None:
    ann_file = shared_data / "coco_panoptic_sample" / "panoptic.json"
    categories = json.loads(ann_file.read_text())["categories"]
    names = [c["name"] for c in categories]
    truth = open_truth(ann_file, dict(classes=names, thing_classes=[c["name"] for c in categories if c["isthing"]]))
    assert len(truth.segments(142238)) == 18
    assert truth.png_name(439180) == "000000439180.png"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(categories=CATEGORIES[1:], annotations=[]), r"'person' is no category of .*truth\.json"),
        (dict(annotations=[{"image_id": 100, "file_name": "a"}]), r"no segments_info; is it the json of instances\?"),
    ],
)
def test_a_json_that_does_not_fit_the_classes_is_an_error(ann_file: Path, changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_truth(rewrite(ann_file, **changes))


def test_an_image_without_segments_or_png_is_named(ann_file: Path) -> None:
    images = json.loads(ann_file.read_text())["images"]
    truth = open_truth(rewrite(ann_file, images=[*images, image(101, "folder/b.jpg")]))
    assert truth.png_name(101) == "folder/b.png"
    with pytest.raises(UserError, match=r"truth\.json has no segments of the image with the id 101.*format_only"):
        truth.segments(101)
    with pytest.raises(UserError, match=r"truth\.json has no image with the id '100'; is it the ann_file"):
        truth.segments("100")
    (ann_file.parent / "truth" / "100.png").unlink()
    with pytest.raises(UserError, match=r"truth/100\.png"):
        truth.segments(100)
    (ann_file.parent / "truth" / "100.png").write_bytes(b"half a PNG")
    with pytest.raises(UserError, match=r"truth/100\.png cannot be decoded"):
        truth.segments(100)


def test_a_crowd_of_things_in_a_sample_is_what_mmdet_calls_no_thing(tmp_path: Path) -> None:
    write_panoptic_png(np.array([[1, 2, 3]]), tmp_path / "a.png")
    infos = [
        {"id": 1, "category": 0, "is_thing": True},
        {"id": 2, "category": 0, "is_thing": False},
        {"id": 3, "category": 2, "is_thing": False},
    ]
    sample = {"segments_info": infos, "seg_map_path": str(tmp_path / "a.png")}
    segments = segments_of_sample(sample, None, THINGS, None)
    assert segments.crowd.tolist() == [False, True, False]
    infos[2]["category"] = 4
    with pytest.raises(UserError, match=r"a\.png: segment 3 has the category 4"):
        segments_of_sample(sample, None, THINGS, None)


def test_images_of_one_name_get_pngs_of_their_own(ann_file: Path) -> None:
    files = ["b.jpg", "b.png", "x/b.jpg"]
    images = [image(number, file) for number, file in enumerate(files)]
    truth = open_truth(rewrite(ann_file, images=images, annotations=[]))
    assert [truth.png_name(number) for number in range(3)] == ["b_jpg.png", "b_png.png", "x/b.png"]


@pytest.mark.parametrize("name", ["../b.jpg", "/tmp/b.jpg", "x/../../b.jpg"])
def test_a_name_that_leads_out_of_the_folder_is_refused(ann_file: Path, name: str) -> None:
    images = [image(100, name)]
    with pytest.raises(UserError, match=rf"truth\.json: the file_name {Path(name).with_suffix('.png')} leads out"):
        open_truth(rewrite(ann_file, images=images, annotations=[]))
