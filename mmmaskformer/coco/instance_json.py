"""COCO's instance JSON: what is in it, and what mmdet and pycocotools count on without a check of their own.

Source: the COCO object detection format, https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import os
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from mmmaskformer.coco.rle import covers
from mmmaskformer.coco.schema import (
    Box,
    Coordinate,
    Flag,
    Image,
    ImageKey,
    Key,
    Side,
    check_distinct,
    decode,
    read_json_as,
)
from mmmaskformer.errors import UserError

WHAT = "instance json"
HINTS = {"bbox": "; is it a panoptic json?"}
NOTHING = Raw(b"null")


class Category(Struct, gc=False):
    """A class."""

    id: Key
    name: str


class Mask(Struct, gc=False):
    """A run-length encoded mask: height and width, and lengths of runs as a list or as pycocotools' text."""

    size: tuple[Side, Side]
    counts: str | list[Annotated[int, Meta(ge=0, lt=2**40)]]


class Instance(Struct, gc=False):
    """An object; ``segmentation`` is a list of polygons or a mask, and is looked at one by one to save memory."""

    bbox: Box
    id: Key
    image_id: ImageKey
    category_id: Key
    area: float
    iscrowd: Flag | None = None
    ignore: Flag = 0
    segmentation: Raw = NOTHING


class Instances(Struct):
    """An instance JSON; it has no annotations where only a server has the truth."""

    images: list[Image]
    categories: list[Category]
    annotations: list[Instance] = []


Polygons = list[Annotated[list[Coordinate], Meta(min_length=4)]]
SEGMENTATION = msgspec.json.Decoder(Polygons | Mask | None)


def check_instance_json(path: str | os.PathLike, *, masks: bool = False, evaluated: bool = False) -> None:
    """Refuses an instance JSON that mmdet or pycocotools would stumble over.

    An annotation of an image or a category that the file does not have is left out by both, and passes.

    Args:
        path: the file, on this machine.
        masks: whether every instance needs a mask.
        evaluated: whether it is the truth of mmdet's CocoMetric, which needs ``iscrowd``.

    Raises:
        UserError: the file is missing, is no JSON, or is one of another format; two entries have the same id or name; a
            mask is missing or is none of its size.
    """
    content = read_json_as(path, Instances, WHAT, hints=HINTS)
    check_distinct(path, "images have the id", (image.id for image in content.images))
    check_distinct(path, "categories have the id", (category.id for category in content.categories))
    check_distinct(path, "categories have the name", (category.name for category in content.categories))
    check_distinct(path, "annotations have the id", (annotation.id for annotation in content.annotations))
    for place, annotation in enumerate(content.annotations):
        where = f"annotations[{place}]"
        if evaluated and annotation.iscrowd is None:
            raise UserError(f"{path}: {where} (id {annotation.id}) has no iscrowd; write 1 for crowds and 0 for others")
        mask = decode(SEGMENTATION, annotation.segmentation, path, WHAT, f"{where}.segmentation")
        _check_mask(path, where, annotation, mask, masks)


def _check_mask(path: str | os.PathLike, where: str, annotation: Instance, found: Any, needed: bool) -> None:
    if needed and not found:
        raise UserError(f"{path}: {where} (id {annotation.id}) has no segmentation, of which its mask is made")
    if isinstance(found, Mask) and not covers(found.counts, found.size):
        raise UserError(
            f"{path}: the segmentation of {where} (id {annotation.id}) is no run-length encoded mask of "
            f"{found.size[0]}x{found.size[1]} pixels"
        )
