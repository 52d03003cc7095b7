"""COCO's panoptic JSON: what is in it, and what must agree within it.

Source: the COCO panoptic format, https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from mmmaskformer.categories import check_names_are_known
from mmmaskformer.coco.panoptic_png import ID_LIMIT
from mmmaskformer.coco.schema import Box, Flag, Image, ImageKey, Key, Name, check_distinct, read_json_as
from mmmaskformer.errors import UserError, listed, suggest

WHAT = "panoptic json"
HINTS = {"segments_info": "; is it the json of instances?"}


class Category(Struct, gc=False, omit_defaults=True):
    """A class; ``isthing`` is None where the file leaves it to the data set's metainfo."""

    id: Key
    name: str
    isthing: Flag | None = None
    supercategory: str | None = None


class Segment(Struct, gc=False):
    """A segment of one image; ``bbox`` is x, y, width and height in pixels."""

    id: Annotated[int, Meta(ge=1, lt=ID_LIMIT)]
    category_id: Key
    iscrowd: Flag = 0
    bbox: Box | None = None


class Annotation(Struct, gc=False):
    """The segments of one image, and the name of its PNG."""

    image_id: ImageKey
    file_name: Name
    segments_info: list[Segment]


class PanopticTruth(Struct):
    """A panoptic JSON; it has no annotations where only a server has the truth."""

    images: list[Image]
    categories: list[Category]
    annotations: list[Annotation] = []


class PanopticPredictions(Struct):
    """A panoptic JSON of predictions, as evaluation servers take it."""

    annotations: list[Annotation]


def read_panoptic_json(path: str | os.PathLike, backend_args: Mapping | None = None) -> PanopticTruth:
    """Content of a panoptic JSON, checked.

    Raises:
        UserError: the file is missing, is no JSON, or is one of another format; two entries have the same id, name or
            PNG; an annotation is of no image, or a segment of no category.
    """
    content = read_json_as(path, PanopticTruth, WHAT, backend_args, HINTS)
    check_distinct(path, "images have the id", (image.id for image in content.images))
    check_distinct(path, "categories have the id", (category.id for category in content.categories))
    check_distinct(path, "categories have the name", (category.name for category in content.categories))
    _check_annotations(path, content.annotations)
    images, categories = {image.id: image for image in content.images}, {c.id for c in content.categories}
    for annotation in content.annotations:
        if annotation.image_id not in images:
            raise UserError(
                f"{path}: an annotation is of image_id {annotation.image_id!r}, which is not among its images"
            )
        foreign = {segment.category_id for segment in annotation.segments_info} - categories
        if foreign:
            wrong = next(segment for segment in annotation.segments_info if segment.category_id in foreign)
            raise UserError(
                f"{path}: image {images[annotation.image_id].file_name}: segment {wrong.id} has category_id "
                f"{wrong.category_id}, which is not among the categories"
            )
    return content


def read_panoptic_predictions(
    path: str | os.PathLike, backend_args: Mapping | None = None
) -> dict[int | str, Annotation]:
    """Return the predicted segments of each image, by the image's id.

    Raises:
        UserError: the file is missing, is no JSON, or is one of another format; two annotations are of one image or
            name the same PNG.
    """
    content = read_json_as(path, PanopticPredictions, f"{WHAT} of predictions", backend_args, HINTS)
    _check_annotations(path, content.annotations)
    return {annotation.image_id: annotation for annotation in content.annotations}


def check_class_lists(metainfo: Mapping, owner: str) -> None:
    """Refuse metainfo whose things and stuff do not add up to its classes, in this order.

    Args:
        metainfo: with ``classes``, ``thing_classes`` and ``stuff_classes``.
        owner: the data set's type, for the message.

    Raises:
        UserError: they do not add up, or a name is there twice.
    """
    classes, things, stuff = (list(metainfo.get(key, ())) for key in ("classes", "thing_classes", "stuff_classes"))
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice:
        raise UserError(f"{owner}: metainfo.classes names {listed(map(repr, twice))} twice")
    if classes != things + stuff:
        raise UserError(
            f"{owner}: metainfo.classes has {len(classes)} names, which must be the {len(things)} of thing_classes "
            f"followed by the {len(stuff)} of stuff_classes{_first_difference(classes, things + stuff)}; give all "
            "three in metainfo"
        )


def labels_of_categories(panoptic: PanopticTruth, metainfo: Mapping, path: str) -> dict[int, int]:
    """Label 0..K-1 of each category id.

    Args:
        panoptic: content of the json.
        metainfo: with ``classes`` and ``thing_classes``.
        path: the json, for the message.

    Raises:
        UserError: file and classes do not name the same categories in the same order, which mmdet's metrics rely on,
            or differ in which of them are things. A file that does not say takes metainfo's word.
    """
    classes, things = list(metainfo["classes"]), set(metainfo["thing_classes"])
    names = [category.name for category in panoptic.categories]
    check_names_are_known(classes, names, path)
    foreign = [name for name in names if name not in classes]
    if foreign:
        raise UserError(
            f"{path}: its categories {listed(map(repr, foreign))} ({len(foreign)} of {len(names)}) are none of the "
            f"{len(classes)} classes{suggest(foreign[0], classes)}"
        )
    if names != classes:
        raise UserError(
            f"{path} lists its categories in another order than metainfo.classes"
            f"{_first_difference(names, classes)}; give the classes in the order of the file"
        )
    for category in panoptic.categories:
        if category.isthing is not None and bool(category.isthing) != (category.name in things):
            kinds = ("thing", "stuff") if category.isthing else ("stuff", "thing")
            raise UserError(f"{path}: category {category.name!r} is {kinds[0]} there but {kinds[1]} in metainfo")
    return {category.id: label for label, category in enumerate(panoptic.categories)}


def thing_ids(panoptic: PanopticTruth, path: str, things: Collection[str] | None = None) -> set[int]:
    """Category ids of the things.

    Args:
        panoptic: content of the JSON.
        path: the JSON, for the message.
        things: names of the things, where metainfo has them; by default the file must say.

    Raises:
        UserError: the file leaves out ``isthing``, and nothing else says it.
    """
    if things is not None:
        return {category.id for category in panoptic.categories if category.name in things}
    silent = [category.name for category in panoptic.categories if category.isthing is None]
    if silent:
        raise UserError(
            f"{path}: the categories {listed(map(repr, silent))} have no isthing; write 1 for things and 0 for stuff"
        )
    return {category.id for category in panoptic.categories if category.isthing}


def annotations_by_image(panoptic: PanopticTruth, path: str) -> dict[int | str, Annotation]:
    """Each image's annotation, for all of the images or, as in test files, for none.

    Raises:
        UserError: an image has no annotation in a file that has any.
    """
    by_image = {annotation.image_id: annotation for annotation in panoptic.annotations}
    without = [image.file_name for image in panoptic.images if image.id not in by_image]
    if by_image and without:
        raise UserError(
            f"{path}: {len(without)} of {len(panoptic.images)} images have no annotation, the first: {without[0]}"
        )
    return by_image


def _check_annotations(path: str | os.PathLike, annotations: Sequence[Annotation]) -> None:
    """Refuses two annotations of an image or a PNG, PNGs elsewhere, and two segments of one id."""
    check_distinct(path, "annotations are of the image", (annotation.image_id for annotation in annotations))
    check_distinct(path, "annotations name the PNG", (annotation.file_name for annotation in annotations))
    for annotation in annotations:
        check_stays_below(path, annotation.file_name)
        if len({segment.id for segment in annotation.segments_info}) < len(annotation.segments_info):
            what = f"segments of {annotation.file_name} have the id"
            check_distinct(path, what, (segment.id for segment in annotation.segments_info))


def check_stays_below(path: str | os.PathLike, name: str) -> None:
    """Refuses the name of a file that leads out of the folder that it is meant to be below.

    Args:
        path: the JSON that has the name, for the message.
        name: the name.
    """
    if os.path.isabs(name) or os.pardir in name.split("/"):
        raise UserError(f"{path}: the file_name {name} leads out of the folder that it is below")


def _first_difference(left: Sequence[str], right: Sequence[str]) -> str:
    for position, (name, other) in enumerate(zip(left, right)):
        if name != other:
            return f" (they differ at {position}: {name!r} is not {other!r})"
    return ""
