"""COCO's panoptic PNG: a segment's number in an RGB pixel, ``id = R + 256 G + 65536 B``; 0 is VOID.

Source: the COCO panoptic format, https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from mmmaskformer.errors import UserError
from mmmaskformer.files import atomic_open

ID_LIMIT = 256**3

# Segments are areas of one color, which compress best as they are. Filters are for photos: with OpenCV's default, a
# file is larger and takes longer to write and four times as long to read.
WRITING = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT, cv2.IMWRITE_PNG_COMPRESSION, 3]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # since OpenCV 4.12
    WRITING += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]


def id_to_rgb(ids: np.ndarray) -> np.ndarray:
    """Colors (..., 3) uint8 of segment ids (...,).

    Raises:
        ValueError: an id is negative or does not fit into 24 bits.
    """
    ids = np.asarray(ids)
    if ids.size and not (ids.min() >= 0 and ids.max() < ID_LIMIT):
        raise ValueError(f"segment ids must lie in 0..{ID_LIMIT - 1}, got {ids.min()}..{ids.max()}")
    # Little-endian bytes are R, G, B and an empty fourth on every machine.
    return ids.astype("<u4", order="C")[..., None].view(np.uint8)[..., :3]


def read_panoptic_png(file: str | os.PathLike | bytes, name: str | None = None) -> np.ndarray:
    """Segment ids (H, W) int32 of a panoptic PNG.

    Args:
        file: its path, or the bytes of the file.
        name: what errors call it; by default its path.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: the file is no image, or not one of 8-bit colors.
    """
    if isinstance(file, bytes):
        name, content = name or "panoptic PNG", file
    else:
        name, content = name or str(file), Path(file).read_bytes()
    # Unchanged: a gray PNG, for instance a semantic label map, must show as what it is rather than as three channels.
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if content else None
    if image is None:
        raise UserError(f"{name} cannot be decoded; is the file whole?")
    if image.dtype != np.uint8 or image.ndim != 3:
        channels = 1 if image.ndim == 2 else image.shape[2]
        raise UserError(
            f"{name} has {channels} channel(s) of {image.dtype}; a panoptic PNG has the segments' ids in 8-bit RGB "
            "(id = R + 256 G + 65536 B). Is it a semantic label map?"
        )
    # Four bytes of a pixel are one little-endian number: R, G, B, and an opacity that does not count.
    order = cv2.COLOR_BGR2RGBA if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    ids = cv2.cvtColor(image, order).view("<i4")[..., 0]
    ids &= ID_LIMIT - 1
    return ids


def encode_panoptic_png(ids: np.ndarray) -> bytes:
    """Return the PNG file of segment ids (H, W).

    Raises:
        ValueError: ``ids`` is not 2-D, or an id does not fit into 24 bits.
    """
    if ids.ndim != 2:
        raise ValueError(f"a panoptic PNG is made of ids (H, W), got shape {ids.shape}")
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(id_to_rgb(ids)[..., ::-1]), WRITING)
    return encoded.tobytes()


def write_panoptic_png(ids: np.ndarray, path: str | os.PathLike) -> None:
    """Write segment ids (H, W) as a panoptic PNG, whole or not at all; make the folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(path) as file:
        file.write(encode_panoptic_png(ids))
