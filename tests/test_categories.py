"""Class names are compared with the categories of COCO's files, of which nothing else is read."""

import json
from pathlib import Path

import pytest
from mmdet.datasets import CityscapesDataset, CocoDataset, CocoPanopticDataset, LVISV1Dataset
from mmseg.datasets import ADE20KDataset

from mmmaskformer.categories import check_class_names, matches_by_name, read_categories
from mmmaskformer.errors import UserError


def write(path: Path, *names: str, **more: object) -> str:
    """Writes a file with these categories, behind whatever else it holds."""
    categories = [dict(id=10 * index + 3, name=name) for index, name in enumerate(names)]
    path.write_text(json.dumps({**more, "categories": categories, "annotations": [{"categories": [1]}]}))
    return str(path)


def test_categories_are_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", "sky", "café", 'a "b" [c]')
    assert read_categories(path) == {3: "sky", 13: "café", 23: 'a "b" [c]'}


@pytest.mark.parametrize(
    "more",
    [
        {"info": {"description": 'has "categories": [] of its own'}},
        {"images": [{"id": 1, "categories": [3, 4]}, {"id": 2, "categories": "many"}]},
        {"licenses": [{"categories": {"id": 1, "name": "no"}}]},
    ],
)
def test_other_keys_of_that_name_are_passed_over(tmp_path: Path, more: dict) -> None:
    assert list(read_categories(write(tmp_path / "a.json", "sky", **more)).values()) == ["sky"]


def test_a_list_of_thousands_is_read_whole(tmp_path: Path) -> None:
    names = [f"kind of thing number {index}" for index in range(13204)]
    (tmp_path / "a.json").write_text(
        json.dumps({"categories": [dict(id=i, name=n) for i, n in enumerate(names)]}, indent=2)
    )
    assert list(read_categories(tmp_path / "a.json").values()) == names


@pytest.mark.parametrize("text", ["", "{}", '{"categories"', '{"categories": [{"id": 1, "name": "sk'])
def test_a_file_without_categories_has_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert read_categories(tmp_path / "a.json") is None
    check_class_names(str(tmp_path / "a.json"), ["sky"], "Owner")


@pytest.mark.parametrize("classes", [["person", "car"], ["car"], ["person"], ["person", "car", "sky"]])
def test_a_file_may_have_more_categories_than_there_are_classes(tmp_path: Path, classes: list[str]) -> None:
    path = write(tmp_path / "a.json", "person", "car", "sky")
    check_class_names(path, classes, "Owner")
    with pytest.raises(UserError, match="'tree' is no category"):
        check_class_names(path, [*classes, "tree"], "Owner")


def test_the_last_classes_need_not_be_in_the_file_where_that_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", "person", "car")
    check_class_names(path, ["person", "car", "sky"], "Owner", needed=["person", "car"])
    with pytest.raises(UserError, match="'sky' is no category"):
        check_class_names(path, ["person", "car", "sky"], "Owner")


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (
            ["Person"],
            r"^Owner: 'Person' is no category of .*a\.json \(person, car\); did you mean person\?; set metainfo",
        ),
        (["cell", "Car"], r"'cell', 'Car' \(2 of 2 classes\) are no categories of .*a\.json \(person, car\)"),
        (["car", "person"], r"label 0 is 'person' in .*a\.json, whose order counts, but 'car' in metainfo\.classes"),
        (["car", "car"], "metainfo.classes names 'car' twice"),
    ],
)
def test_names_that_do_not_fit_the_file_are_refused(tmp_path: Path, classes: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_class_names(write(tmp_path / "a.json", "person", "car"), classes, "Owner")


def test_data_sets_that_load_labels_otherwise_are_not_meant() -> None:
    assert matches_by_name(CocoDataset) and matches_by_name(CocoPanopticDataset) and matches_by_name(CityscapesDataset)
    assert not matches_by_name(LVISV1Dataset) and not matches_by_name(ADE20KDataset) and not matches_by_name(dict)
