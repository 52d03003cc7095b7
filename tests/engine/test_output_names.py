"""Wrapped data sets are looked into, and no two images are written to one file."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.registry import init_default_scope
from mmseg.datasets import BaseSegDataset
from torch.utils.data import Subset

from mmmaskformer.engine import OutputNames, innermost_datasets
from mmmaskformer.engine.output_names import distinct_names, image_loader


def make_dataset(folder: Path, *images: str, **arguments: object) -> BaseSegDataset:
    """A data set without annotations of small images, whose paths are given below ``folder``."""
    init_default_scope("mmseg")
    for image in images:
        path = folder / image
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((2, 3, 3), np.uint8))
    arguments = dict(metainfo=dict(classes=["a", "b"]), data_prefix=dict(img_path=str(folder)), **arguments)
    return BaseSegDataset(img_suffix="g", **arguments)


def names(dataset: object, *endings: str) -> list[str]:
    """The names of all images, in the data set's order."""
    found = OutputNames(dataset, endings or ("",))
    images = [dataset.get_data_info(index)["img_path"] for index in range(len(dataset))]
    return [str(found.path("out", image, "")).removeprefix("out/") for image in images]


def test_data_sets_are_found_inside_wrappers(tmp_path: Path) -> None:
    one, two = make_dataset(tmp_path / "1", "a.png"), make_dataset(tmp_path / "2", "a.png")
    assert list(innermost_datasets(one)) == [one]
    assert list(innermost_datasets(RepeatDataset(one, 3))) == [one]
    assert list(innermost_datasets(Subset(ConcatDataset([one, two]), [0]))) == [one, two]


def test_how_images_are_decoded_is_asked_of_the_innermost_pipeline(tmp_path: Path) -> None:
    loading = dict(type="LoadImageFromFile", color_type="color_ignore_orientation")
    dataset = make_dataset(tmp_path, "a.png", pipeline=[loading, dict(type="PackSegInputs")])
    assert image_loader(RepeatDataset(dataset, 2)).color_type == "color_ignore_orientation"
    assert image_loader([]) is None


def test_names_are_paths_below_the_image_folder(tmp_path: Path) -> None:
    one, two = make_dataset(tmp_path / "1", "bonn/a.png", "b.c.png"), make_dataset(tmp_path / "2", "a.png")
    assert names(one) == ["b.c", "bonn/a"]
    assert names(ConcatDataset([one, two])) == ["b.c", "bonn/a", "a"]
    assert names(RepeatDataset(one, 2)) == ["b.c", "bonn/a"] * 2


def test_equal_names_get_the_folders_that_tell_them_apart_in_front(tmp_path: Path) -> None:
    one = make_dataset(tmp_path / "x/one/images", "a.png", "b.png")
    two = make_dataset(tmp_path / "x/two/images", "a.png", "c.png")
    assert names(ConcatDataset([one, two])) == ["one/a", "b", "two/a", "c"]
    three = make_dataset(tmp_path / "x/two/more/images", "a.png")
    assert names(ConcatDataset([one, two, three])) == ["one/a", "b", "two/a", "c", "two/more/a"]


def test_equal_names_in_one_folder_get_their_endings_behind(tmp_path: Path) -> None:
    assert names(make_dataset(tmp_path, "a.jpg", "a.png", "b.jpg")) == ["a_jpg", "a_png", "b"]


def test_names_differ_with_every_ending(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, "a.png", "a_panoptic.png", "b.png")
    assert names(dataset) == ["a", "a_panoptic", "b"]
    assert names(dataset, ".png", "_panoptic.png") == ["a_png", "a_panoptic_png", "b"]


@pytest.mark.parametrize(
    "images",
    [
        {"d/A.png": "A", "d/a.png": "a"},
        {"one/a.png": "a", "two/a.png": "a", "x/one/a.png": "one/a"},
        {"s3://one/a.png": "a", "s3://two/a.png": "a", "/two/a.png": "a"},
        {"../one/a.png": "a", "../../two/a.png": "a", "a.png": "a"},
    ],
)
def test_no_two_images_share_a_name_and_none_leads_out_of_the_folder(images: dict[str, str]) -> None:
    found = distinct_names(images)
    assert len({name.casefold() for name in found.values()}) == len(images)
    assert not [name for name in found.values() if ".." in name or os.path.isabs(name) or ":" in name]
    assert distinct_names(dict(reversed(images.items()))) == found, "the same on every rank"


def test_an_image_that_the_data_set_does_not_list_is_written_below_its_whole_path() -> None:
    found = OutputNames([], (".png",)).path("out", "/data/../x/a.jpg", ".png")
    assert found == Path("out/x/a.png")
