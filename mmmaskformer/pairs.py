"""Whether an image and its label map belong together: their sizes, the map's channels, a photo's EXIF orientation."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log
from PIL import Image

from mmmaskformer.errors import UserError

ORIENTATION = 274  # the EXIF tag
SWAPS_SIDES = range(5, 9)  # its values that turn a photo by 90 degrees
HEAD = 4096  # bytes of a file that are searched for EXIF data; they stand first where a camera or Pillow writes them
IGNORE_ORIENTATION = "color_type='color_ignore_orientation' in LoadImageFromFile"
# Shared with the workers that a data loader forks, so that one warning is printed per run.
_warned = mmap.mmap(-1, 1)


def check_same_size(labels: str, label_size: Sequence[int], image: str, image_size: Sequence[int]) -> None:
    """Refuse a label map of another size than its image.

    Args:
        labels: the label map's file.
        label_size: (height, width) of the map.
        image: the image's file.
        image_size: (height, width) of the image.

    Raises:
        UserError: the sizes differ; names both files and sizes, and the EXIF orientation where it is the reason.
    """
    label_size, image_size = tuple(map(int, label_size)), tuple(map(int, image_size))
    if label_size != image_size:
        reason = _explain_by_exif(image, image_size, label_size) or (
            "an image and its label map must have the same size; check that the two files belong together"
        )
        raise UserError(f"{labels} is {_text(label_size)} but its image {image} is {_text(image_size)}: {reason}")


def check_loaded_label_map(
    labels: str, shape: Sequence[int], image: str, image_shape: Sequence[int] | None = None
) -> None:
    """Check a label map right after it was loaded.

    Args:
        labels: the label map's file.
        shape: of the array that was loaded.
        image: the image's file.
        image_shape: of the image as it was loaded, before any resizing; None where it is not known.

    Raises:
        UserError: the map has several channels, or another size than the image.
    """
    shape, image_shape = tuple(shape), tuple(image_shape or ())
    if shape == image_shape:  # also volumes, which have three sides
        return
    if len(shape) == 3 and shape[2] in (2, 3, 4):
        raise UserError(
            f"{labels} has {shape[2]} channels (shape {shape}), but a label map holds one class index per pixel: save "
            "it with one channel (PNG of mode 'L', or of mode 'P' read with imdecode_backend='pillow')"
        )
    size = image_shape[:2]
    if len(shape) < 2:  # loaders squeeze sides of one pixel away
        size = tuple(side for side in size if side != 1)
    if image_shape:
        check_same_size(labels, shape, image, size)


def warn_of_turned_photo(results: Mapping[str, Any], loader: Any) -> None:
    """Warn once per run of a photo that its EXIF orientation turns, if nothing shows that its labels are turned, too.

    Label maps are never turned by EXIF. Where turning swaps height and width, the sizes show which of the two a map
    was drawn on, and :func:`check_loaded_label_map` compares them. Square photos, mirrored ones and those turned by
    180 degrees remain.

    Args:
        results: what ``loader`` gave: ``img_path``, ``ori_shape``, and what the data set says about the image.
        loader: MMCV's ``LoadImageFromFile`` or one like it.
    """
    if _warned[0] or not (results.get("seg_map_path") or results.get("instances")):
        return
    turns = loader.color_type in ("color", "grayscale") and loader.imdecode_backend in ("cv2", "pillow")
    orientation = exif_orientation(results["img_path"]) if turns else 1
    if orientation == 1:
        return
    size = tuple(results["ori_shape"][:2])
    sides_tell = results.get("seg_map_path") or (results.get("height"), results.get("width")) == size
    if orientation in SWAPS_SIDES and size[0] != size[1] and sides_tell:
        return
    _warned[0] = 1
    print_log(
        f"{results['img_path']} has the EXIF orientation {orientation}: the photo is turned when it is loaded, its "
        f"labels are not. If they were drawn on the photo as it is stored, set {IGNORE_ORIENTATION}. (Shown once; "
        "other photos may be turned, too.)",
        logger="current",
        level=30,
    )


def exif_orientation(path: str) -> int:
    """Return the EXIF orientation 1..8 of a local image file; 1, which is upright, where it has none."""
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(HEAD)
        # Most files have no EXIF data, and a look at their first bytes is a tenth of the time of opening them.
        kinds = (b"Exif\0\0" in head, b"eXIf" in head, head[:2] in (b"II", b"MM"), head[8:12] == b"WEBP")
        if not any(kinds):
            return 1
        with Image.open(path) as image:
            orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # remote paths, formats that Pillow does not know, broken EXIF data (it raises many types)
        return 1
    return orientation if orientation in range(1, 9) else 1


def _explain_by_exif(image: str, image_size: tuple[int, ...], label_size: tuple[int, ...]) -> str:
    if image_size != label_size[::-1] or (orientation := exif_orientation(image)) not in SWAPS_SIDES:
        return ""
    with Image.open(image) as file:
        stored = file.size[::-1]
    if label_size == stored:
        return (
            f"the photo has the EXIF orientation {orientation} and is turned when it is loaded, its label map is not; "
            f"if the map was drawn on the photo as it is stored, set {IGNORE_ORIENTATION}, else turn the map"
        )
    return (
        f"the photo has the EXIF orientation {orientation} and is not turned when it is loaded, its label map is "
        "turned; set color_type='color' in LoadImageFromFile"
    )


def _text(size: Sequence[int]) -> str:
    return "x".join(map(str, size))
