from pathlib import Path

import cv2
import numpy as np
import pytest

from mmmaskformer.apis.images import check_decodable, check_outputs, list_images, output_names, without_repeats
from mmmaskformer.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/1.png", "a/1.png", "a/2.JPG", "a/deep/3.png", "a/.hidden.png", "a/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes())
    return tmp_path


def test_a_folder_is_searched_with_its_subfolders(folder: Path) -> None:
    found = [path.relative_to(folder).as_posix() for path in list_images(folder / "a")]
    assert found == ["a/1.png", "a/2.JPG", "a/deep/3.png"]


def test_there_is_one_image_for_each_that_was_given(folder: Path) -> None:
    first, second = folder / "a" / "1.png", folder / "b" / "1.png"
    assert list_images([first, second, first]) == [first, second, first]
    assert len(list_images([first, folder, second])) == 6


def test_a_link_in_a_folder_is_not_another_image(folder: Path) -> None:
    (folder / "a" / "link.png").symlink_to(folder / "a" / "1.png")
    assert [path.name for path in list_images(folder / "a")] == ["1.png", "2.JPG", "3.png"]


def test_repeats_are_left_out_where_that_is_asked_for(folder: Path) -> None:
    first, array = folder / "a" / "1.png", np.zeros((4, 4, 3), np.uint8)
    (folder / "link.png").symlink_to(first)
    given = [first, array, folder / "link.png", array, folder / "a" / ".." / "a" / "1.png"]
    assert [type(image).__name__ for image in without_repeats(given)] == ["PosixPath", "ndarray", "ndarray"]


def test_the_folder_of_results_is_not_searched(folder: Path) -> None:
    assert len(list_images(folder, leave_out=folder / "a")) == 1
    assert len(list_images(folder / "a", leave_out=folder)) == 3


def test_a_folder_that_is_searched_cannot_take_the_results(folder: Path) -> None:
    with pytest.raises(UserError, match=r"folder .*a is searched for images and cannot take the results"):
        list_images([folder / "b", folder / "a"], leave_out=folder / "b" / ".." / "a")


def test_results_are_not_written_over_images(folder: Path) -> None:
    images = [folder / "a" / "1.png", np.zeros((4, 4, 3), np.uint8)]
    check_outputs(images, [folder / "b" / "1.png", folder / "a" / "1_labels.png"])
    with pytest.raises(UserError, match=r"1\.png is one of the images and would be written over"):
        check_outputs(images, [folder / "b" / ".." / "a" / "1.png"])


def test_an_array_of_four_dimensions_is_several_images() -> None:
    assert len(list_images(np.zeros((3, 4, 5, 3), np.uint8))) == 3


def test_files_of_one_name_get_their_folders_names_in_front(folder: Path) -> None:
    images = list_images([folder / "a", folder / "b"])
    assert output_names(images) == ["a_1", "2", "3", "b_1"]


def test_a_file_that_comes_again_keeps_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    array = np.zeros((4, 4, 3), np.uint8)
    images = [folder / "a" / "1.png", array, folder / "b" / "1.png", Path("a/1.png"), array, folder / "a" / "2.JPG"]
    assert output_names(images) == ["a_1", "array_000001", "b_1", "a_1", "array_000004", "2"]
    assert output_names([folder / "a" / "1.png"] * 2) == ["1", "1"]


def test_names_stay_apart_by_suffix_and_by_letters_case(tmp_path: Path) -> None:
    names = output_names([tmp_path / "x.jpg", tmp_path / "x.png", tmp_path / "X.bmp", np.zeros((1, 1, 3), np.uint8)])
    assert len({name.casefold() for name in names}) == 4


def test_names_that_a_prefix_would_make_alike_stay_apart(tmp_path: Path) -> None:
    names = output_names([tmp_path / "a" / "b_1.png", tmp_path / "b" / "1.png", tmp_path / "c" / "1.png"])
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("nowhere.png", "image nowhere.png does not exist"),
        ([], "no images given"),
        (np.zeros((4, 4), np.uint8), r"must be \(H, W, 3\) uint8, BGR; got shape \(4, 4\), uint8"),
        (np.zeros((4, 4, 3), np.float32), r"got shape \(4, 4, 3\), float32"),
        ([3], "must be a path or an array, got int"),
    ],
)
def test_what_is_no_image_is_refused(inputs, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list_images(inputs)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"folder {tmp_path} holds no image"):
        list_images(tmp_path)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_file_cut_short_is_named(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = cv2.imencode(suffix, noise)[1].tobytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole)
    check_decodable(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=f"image {path} cannot be decoded"):
        check_decodable(path)
