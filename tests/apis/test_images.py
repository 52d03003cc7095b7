import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from mmmaskformer.apis.images import check_outputs, list_images, output_names, without_repeats
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
    given = [folder / "a" / "1.png", array, folder / "b" / "1.png", Path("a/1.png"), array, folder / "a" / "2.JPG"]
    assert output_names(list_images(given)) == ["a_1", "array_000000", "b_1", "a_1", "array_000001", "2"]
    assert output_names([folder / "a" / "1.png"] * 2) == ["1", "1"]


def test_names_stay_apart_by_suffix_and_by_letters_case(tmp_path: Path) -> None:
    names = output_names([tmp_path / "x.jpg", tmp_path / "x.png", tmp_path / "X.bmp"])
    assert len({name.casefold() for name in names}) == 3


def test_names_that_a_prefix_would_make_alike_stay_apart(tmp_path: Path) -> None:
    names = output_names([tmp_path / "a" / "b_1.png", tmp_path / "b" / "1.png", tmp_path / "c" / "1.png"])
    assert len(set(names)) == 3


def test_a_long_name_leaves_room_for_endings_and_stays_apart(tmp_path: Path) -> None:
    names = output_names(
        [tmp_path / ("x" * 235 + f"{ending}.jpg") for ending in "ab"] + [tmp_path / ("ü" * 120 + ".jpg")]
    )
    assert len(set(names)) == 3
    assert all(len(f"{name}_panoptic_overlay.png".encode()) < 240 for name in names)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("nowhere.png", "image nowhere.png does not exist"),
        ("", "an image's path is empty"),
        ("x" * 300, "cannot be read: .*File name too long"),
        ("a\0b", "cannot be read: .*null byte"),
        ("nowhere/*.jpg", r"no image matches nowhere/\*\.jpg"),
        ([], "no images given"),
        (None, "an image must be a path, .*got None of type NoneType"),
        (5, "got 5 of type int"),
        ([3], "got 3 of type int"),
        (np.zeros(4, np.uint8), r"the shape \(H, W\) or \(H, W, C\) .*got a array of shape \(4,\)"),
        (np.zeros((0, 4, 3), np.uint8), r"of shape \(0, 4, 3\)"),
        (np.zeros((4, 4, 3), bool), "must hold numbers, got a array of bool"),
        (np.zeros((4, 4), object), "must hold numbers"),
        (torch.zeros(4, 4), r"got a tensor of shape \(4, 4\)"),
        (b"", "bytes_000000 cannot be decoded"),
        (b"no image", "bytes_000000 cannot be decoded"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else None,
)
def test_what_is_no_image_is_refused(inputs, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list_images(inputs)


def test_a_channel_order_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UserError, match="channel_order='gbr', expected 'bgr' or 'rgb'"):
        list_images(np.zeros((4, 4, 3), np.uint8), channel_order="gbr")


def test_what_is_no_file_is_named_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("gone.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    with pytest.raises(UserError, match=r"pipe\.jpg is a named pipe, expected an image file"):
        list_images(tmp_path / "pipe.jpg")
    with pytest.raises(UserError, match=r"link\.jpg is a link to gone\.jpg, which does not exist"):
        list_images(tmp_path / "link.jpg")
    with pytest.raises(UserError, match=r"loop\.jpg cannot be read"):
        list_images(tmp_path / "loop.jpg")
    with pytest.raises(UserError, match="/dev/null is a device"):
        list_images("/dev/null")


def test_a_folder_named_like_a_picture_is_a_folder(folder: Path) -> None:
    (folder / "a").rename(folder / "a.png")
    assert len(list_images(folder / "a.png")) == len(list_images(folder)) - 1


def test_a_pattern_stands_for_the_images_that_match(folder: Path) -> None:
    assert [path.name for path in list_images(f"{folder}/**/1.*")] == ["1.png", "1.png"]
    (folder / "a[1].png").write_bytes(b"")
    assert list_images(folder / "a[1].png") == [folder / "a[1].png"]


def test_everything_in_memory_has_the_same_pixels_in_the_same_order() -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    for given, order in (
        (bgr, "bgr"),
        (rgb, "rgb"),
        (torch.from_numpy(bgr).permute(2, 0, 1), "bgr"),
        (torch.from_numpy(rgb).permute(2, 0, 1), "rgb"),
        (Image.fromarray(rgb), "bgr"),
        (Image.fromarray(rgb).convert("RGBA"), "rgb"),
        (cv2.imencode(".png", bgr)[1].tobytes(), "bgr"),
        (memoryview(cv2.imencode(".png", bgr)[1].tobytes()), "rgb"),
    ):
        (image,) = list_images(given, channel_order=order)
        np.testing.assert_array_equal(image.pixels, bgr)
    several = list_images(torch.from_numpy(np.stack([bgr, bgr])).permute(0, 3, 1, 2))
    assert len(several) == 2 and (several[1].pixels == bgr).all()


def test_an_upright_photo_comes_from_pillow_too() -> None:
    image = Image.new("RGB", (6, 4))
    image.getexif()[0x0112] = 6  # to be turned by 90 degrees
    (listed,) = list_images(image)
    assert listed.pixels.shape == (6, 4, 3)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"folder {tmp_path} holds no image"):
        list_images(tmp_path)
