"""COCO's panoptic json, with what can be wrong in it named.

Source: the COCO panoptic format, https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from mmengine import fileio

from mmmaskformer.categories import check_names_are_known
from mmmaskformer.errors import UserError, suggest
from mmmaskformer.panoptic_png import ID_LIMIT

LISTED = 5


def read_panoptic_json(path: str, backend_args: Mapping | None = None) -> dict:
    """Content of a panoptic json; ``annotations`` is there but empty where the file has none, as for test images.

    Raises:
        UserError: the file is missing, is no json, or is one of another format.
    """
    try:
        content = json.loads(fileio.get_text(path, backend_args=backend_args))
    except FileNotFoundError as error:
        raise UserError(f"panoptic json {path} does not exist") from error
    except ValueError as error:
        raise UserError(f"panoptic json {path} cannot be read: {error}") from error
    lacking = [key for key in ("images", "categories") if not isinstance(content, dict) or key not in content]
    if lacking:
        raise UserError(f"{path} is no panoptic json: it has no {' and no '.join(lacking)}")
    annotations = content.setdefault("annotations", [])
    if annotations and "segments_info" not in annotations[0]:
        raise UserError(
            f"{path} is no panoptic json: its annotations have {sorted(annotations[0])} and no segments_info; is it "
            "the one of instances?"
        )
    return content


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
        raise UserError(f"{owner}: metainfo.classes names {_listed(twice)} twice")
    if classes != things + stuff:
        raise UserError(
            f"{owner}: metainfo.classes has {len(classes)} names, which must be the {len(things)} of thing_classes "
            f"followed by the {len(stuff)} of stuff_classes{_first_difference(classes, things + stuff)}; give all "
            "three in metainfo"
        )


def labels_of_categories(panoptic: Mapping, metainfo: Mapping, path: str) -> dict[int, int]:
    """Label 0..K-1 of each category id.

    Args:
        panoptic: content of the json.
        metainfo: with ``classes`` and ``thing_classes``.
        path: the json, for the message.

    Raises:
        UserError: file and classes do not name the same categories in the same order, which mmdet's metrics rely on,
            or differ in which of them are things.
    """
    classes, things = list(metainfo["classes"]), set(metainfo["thing_classes"])
    names = {category["id"]: category["name"] for category in panoptic["categories"]}
    check_names_are_known(classes, list(names.values()), path)
    foreign = [name for name in names.values() if name not in classes]
    if foreign:
        raise UserError(
            f"{path}: its categories {_listed(foreign)} ({len(foreign)} of {len(names)}) are none of the "
            f"{len(classes)} classes{suggest(foreign[0], classes)}"
        )
    if list(names.values()) != classes:
        raise UserError(
            f"{path} lists its categories in another order than metainfo.classes"
            f"{_first_difference(list(names.values()), classes)}; give the classes in the order of the file"
        )
    for category in panoptic["categories"]:
        name, is_thing = category["name"], bool(category.get("isthing"))
        if is_thing != (name in things):
            kinds = ("thing", "stuff") if is_thing else ("stuff", "thing")
            raise UserError(f"{path}: category {name!r} is {kinds[0]} there but {kinds[1]} in metainfo")
    return {number: label for label, number in enumerate(names)}


def annotations_by_image(panoptic: Mapping, path: str) -> dict[int | str, dict]:
    """Each image's annotation, checked.

    Raises:
        UserError: an annotation of no image or a second one of an image, an image without one (in a file that has
            any), or a segment with an id that is taken, out of range or of a category that does not exist.
    """
    images = {image["id"]: image["file_name"] for image in panoptic["images"]}
    categories = {category["id"] for category in panoptic["categories"]}
    by_image: dict[int | str, dict] = {}
    for annotation in panoptic["annotations"]:
        image = annotation["image_id"]
        if image not in images:
            raise UserError(f"{path}: an annotation is of image_id {image!r}, which is not among its images")
        if image in by_image:
            raise UserError(f"{path}: two annotations of image {images[image]}")
        by_image[image] = annotation
        _check_segments(annotation["segments_info"], categories, f"{path}: image {images[image]}")
    without = [name for number, name in images.items() if number not in by_image]
    if by_image and without:
        raise UserError(f"{path}: {len(without)} of {len(images)} images have no annotation, the first: {without[0]}")
    return by_image


def _check_segments(segments: Sequence[Mapping], categories: set[int], where: str) -> None:
    taken = set()
    for segment in segments:
        lacking = [key for key in ("id", "category_id", "bbox") if key not in segment]
        if lacking:
            raise UserError(f"{where} has a segment without {lacking[0]}")
        number, category = segment["id"], segment["category_id"]
        if not 0 < number < ID_LIMIT:
            raise UserError(f"{where} has a segment with id {number}; ids are 1..{ID_LIMIT - 1}, and 0 is void")
        if number in taken:
            raise UserError(f"{where} has two segments with id {number}")
        if category not in categories:
            raise UserError(f"{where}: segment {number} has category_id {category}, which is not among the categories")
        taken.add(number)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:LISTED])) + (", ..." if len(names) > LISTED else "")


def _first_difference(left: Sequence[str], right: Sequence[str]) -> str:
    for position, (name, other) in enumerate(zip(left, right)):
        if name != other:
            return f" (they differ at {position}: {name!r} is not {other!r})"
    return ""
