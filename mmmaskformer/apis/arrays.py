"""Images in memory: arrays, tensors, Pillow's images and encoded files, as arrays that a model takes."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import mmcv
import numpy as np
from numpy import ndarray
from PIL import Image, ImageOps
from torch import Tensor

from mmmaskformer.errors import UserError

CHANNEL_ORDERS = ("bgr", "rgb")
LARGEST = 255  # value of the images that models are trained on, unless their files are read with more bits
SHAPES = "(H, W) or (H, W, C) for an array, (C, H, W) for a tensor"


def check_channel_order(order: str) -> None:
    """Refuse an order of channels that does not exist.

    Raises:
        UserError: it is neither "bgr" nor "rgb".
    """
    if order not in CHANNEL_ORDERS:
        raise UserError(f"channel_order={order!r}, expected 'bgr' or 'rgb'")


def pixels_of(image: ndarray | Tensor | Image.Image, channel_order: str) -> ndarray:
    """Return an image's pixels, (H, W, C), colors in the order blue, green, red.

    Args:
        image: an array (H, W) or (H, W, C), a tensor (C, H, W), or Pillow's image, which is turned upright and whose
            transparency is dropped.
        channel_order: of an array's or a tensor's three channels; Pillow's images know theirs.

    Raises:
        UserError: another shape, an empty image, or a type of values that is not a number.
    """
    if isinstance(image, Image.Image):
        return np.ascontiguousarray(np.asarray(ImageOps.exif_transpose(image).convert("RGB"))[..., ::-1])
    what = "tensor" if isinstance(image, Tensor) else "array"
    shape = tuple(image.shape)
    if isinstance(image, Tensor):
        image = image.detach().cpu()
        pixels = (image.float() if image.is_floating_point() else image).numpy()
        pixels = pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels
    else:
        pixels = image if image.ndim != 2 else image[..., None]
    if pixels.ndim != 3 or not pixels.size:
        raise UserError(f"an image must have the shape {SHAPES}; got a {what} of shape {shape}")
    if pixels.dtype.kind not in "uif":
        raise UserError(f"an image must hold numbers, got a {what} of {pixels.dtype}")
    if channel_order == "rgb" and pixels.shape[2] == 3:
        pixels = pixels[..., ::-1]
    return np.ascontiguousarray(pixels)


def decoded(content: bytes, name: str, color_type: str = "color") -> ndarray:
    """Return the pixels (H, W, C), BGR, of an encoded image file.

    Args:
        content: of the file.
        name: of the image, for errors.
        color_type: in the words of MMCV's ``LoadImageFromFile``.

    Raises:
        UserError: it is no image, or is cut short.
    """
    check_whole(BytesIO(content), name, bounded=True)
    pixels = mmcv.imfrombytes(content, flag=color_type) if content else None
    if pixels is None:
        raise UserError(f"image {name} cannot be decoded; is it an image file, and whole?")
    return pixels if pixels.ndim == 3 else pixels[..., None]


def check_whole(file: Any, name: str, bounded: bool = False) -> None:
    """Refuse an image file that is cut short, which OpenCV would fill up with gray.

    Args:
        file: its path, or an open file.
        name: of the image, for the error.
        bounded: refuse one of more pixels than Pillow takes, too: a small file can hold billions.

    Raises:
        UserError: with the name.
    """
    try:
        with Image.open(file) as image:
            # A JPEG is then decoded at an eighth of its size; its whole file is read all the same.
            image.draft(image.mode, (max(1, image.width // 8), max(1, image.height // 8)))
            image.load()
    except Image.UnidentifiedImageError:
        pass  # formats that Pillow does not take may still be the loading transform's
    except Image.DecompressionBombError as error:
        if bounded:
            raise UserError(f"image {name} is refused: {error}; if you trust it, save it and give its path") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"image {name} cannot be decoded ({error}); is the file whole?") from error


def fit_model(pixels: ndarray, channels: int | None, eight_bits: bool, name: str) -> ndarray:
    """Return an array as a model takes it.

    Args:
        pixels: (H, W, C).
        channels: that the model takes; None if any number.
        eight_bits: whether the model was trained on values of 0..255.
        name: of the image, for errors.

    Returns:
        (H, W, channels) uint8, uint16 or float32. One channel is repeated for a model of three.

    Raises:
        UserError: another number of channels, values that are not finite, or values that are not 0..255 where the model
            takes these.
    """
    if channels is not None and pixels.shape[2] != channels:
        if pixels.shape[2] != 1 or channels != 3:
            hint = "; leave out the transparency: image[..., :3]" if pixels.shape[2] == 4 and channels == 3 else ""
            raise UserError(f"{name} has {pixels.shape[2]} channels, the model takes {channels}{hint}")
        pixels = np.repeat(pixels, 3, axis=2)
    if pixels.dtype in (np.uint8, np.uint16) and (pixels.dtype == np.uint8 or not eight_bits):
        return pixels
    low, high = float(pixels.min()), float(pixels.max())
    if not np.isfinite([low, high]).all():
        raise UserError(f"{name} has values that are not finite")
    if eight_bits and (low < 0 or high > LARGEST):
        raise UserError(f"{name} has values of {low:g} to {high:g}, the model takes 0 to {LARGEST}: scale them first")
    if eight_bits and pixels.dtype.kind == "f" and 0 < high <= 1:
        raise UserError(
            f"{name} has values of {low:g} to {high:g}, the model takes 0 to {LARGEST}: multiply by {LARGEST}"
        )
    return pixels.astype(np.float32)


def as_picture(pixels: ndarray) -> ndarray:
    """Return a picture (H, W, 3) uint8, RGB, of pixels (H, W, C), BGR, of any type and number of channels.

    The first three channels are shown, or the first one in gray. Values outside 0..255 are scaled to it.
    """
    shown = pixels[..., 2::-1] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
    if shown.dtype != np.uint8:
        low, high = float(shown.min()), float(shown.max())
        if low < 0 or high > LARGEST:
            shown = (shown.astype(np.float32) - low) * (LARGEST / max(high - low, 1e-6))
        shown = np.rint(shown).astype(np.uint8)
    return np.ascontiguousarray(shown)
