"""Arrays are given to a model as it takes them, or refused with what is wrong."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmmaskformer.apis.arrays import as_picture, check_whole, decoded, fit_model
from mmmaskformer.errors import UserError


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_file_cut_short_is_named(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = cv2.imencode(suffix, noise)[1].tobytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole)
    check_whole(path, str(path))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=f"image {path} cannot be decoded"):
        check_whole(path, str(path))
    with pytest.raises(UserError, match="image photo cannot be decoded"):
        decoded(path.read_bytes(), "photo")


def test_a_small_file_of_very_many_pixels_is_refused() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    side = 20000
    lines = zlib.compress(bytes(side * (1 + side // 8)))
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")
    assert len(bomb) < 100_000
    with pytest.raises(UserError, match="image photo is refused: .*400000000 pixels.*; if you trust it, save it"):
        decoded(bomb, "photo")


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.uint16, np.float16, np.float32, np.float64])
def test_values_of_any_type_are_kept(dtype: type) -> None:
    pixels = np.arange(0, 240, 5).reshape(4, 4, 3).astype(dtype)
    fitted = fit_model(pixels, 3, True, "image")
    assert fitted.dtype == np.float32
    np.testing.assert_array_equal(fitted, pixels.astype(np.float32))


def test_arrays_that_a_model_takes_are_not_copied() -> None:
    for dtype, eight_bits in ((np.uint8, True), (np.uint8, False), (np.uint16, False)):
        pixels = np.zeros((4, 4, 5), dtype)
        assert fit_model(pixels, 5, eight_bits, "image") is pixels
        assert fit_model(pixels, None, eight_bits, "image") is pixels


def test_a_gray_image_is_repeated_for_a_model_of_colors() -> None:
    gray = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
    np.testing.assert_array_equal(fit_model(gray, 3, True, "image"), np.repeat(gray, 3, axis=2))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4, 4), np.uint8), r"image has 4 channels, the model takes 3; leave out .* image\[\.\.\., :3\]"),
        (np.zeros((4, 4, 7), np.uint8), "image has 7 channels, the model takes 3$"),
        (np.full((4, 4, 3), np.nan), "image has values that are not finite"),
        (np.full((4, 4, 3), np.inf, np.float32), "not finite"),
        (np.full((4, 4, 3), 4095, np.uint16), "values of 4095 to 4095, the model takes 0 to 255: scale them first"),
        (np.full((4, 4, 3), -1, np.int32), "values of -1 to -1"),
        (np.full((4, 4, 3), 0.5), "values of 0.5 to 0.5, the model takes 0 to 255: multiply by 255"),
    ],
)
def test_what_a_model_does_not_take_is_refused(pixels: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit_model(pixels, 3, True, "image")


def test_any_array_can_be_shown() -> None:
    bgr = np.array([[[10, 20, 30, 40]]], np.uint8)
    assert as_picture(bgr).tolist() == [[[30, 20, 10]]]
    assert as_picture(bgr[..., :1]).tolist() == [[[10, 10, 10]]]
    assert as_picture(np.array([[[0.4], [254.6]]], np.float32)).tolist() == [[[0] * 3, [255] * 3]]
    assert as_picture(np.array([[[0], [65535]]], np.uint16)).tolist() == [[[0] * 3, [255] * 3]]
