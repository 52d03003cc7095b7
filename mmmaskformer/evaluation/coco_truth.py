"""Panoptic ground truth as COCO keeps it: one JSON with the segments of all images, and a folder of PNGs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmmaskformer.coco.annotations import read_ids, segment_map
from mmmaskformer.coco.panoptic_json import check_stays_below, labels_of_categories, read_panoptic_json
from mmmaskformer.coco.schema import Image
from mmmaskformer.det.panoptic_code import true_segments
from mmmaskformer.engine.output_names import distinct_names
from mmmaskformer.errors import UserError
from mmmaskformer.segments import SegmentMap


class CocoPanopticTruth:
    """The true segments of images, and which category of the JSON each class is.

    Args:
        ann_file: COCO panoptic JSON; ``images`` and ``categories`` are enough to write predictions.
        seg_prefix: folder of the PNGs; by default the JSON's path without its ending, as panopticapi has it.
        metainfo: the data set's, with ``classes`` and ``thing_classes``.
        backend_args: MMEngine's, where JSON and PNGs are not local files.

    Attributes:
        category_ids: (K,) the category id of each class.

    Raises:
        UserError: the file is no panoptic JSON, or its categories are not the classes.
    """

    def __init__(
        self,
        ann_file: str | os.PathLike,
        seg_prefix: str | os.PathLike | None,
        metainfo: Mapping,
        backend_args: dict | None = None,
    ) -> None:
        self.ann_file = str(ann_file)
        self.seg_prefix = str(seg_prefix or os.path.splitext(self.ann_file)[0])
        self.backend_args = backend_args
        content = read_panoptic_json(self.ann_file, backend_args)
        self._class_of = labels_of_categories(content, metainfo, self.ann_file)
        self.category_ids = list(self._class_of)
        self._things = [name in metainfo["thing_classes"] for name in metainfo["classes"]]
        self._annotations = {annotation.image_id: annotation for annotation in content.annotations}
        self._png_names = self._distinct_png_names(content.images)

    def png_name(self, image_id: Any) -> str:
        """Return the PNG of an image: the true one's name, or where there is no truth the image's with another ending.

        Raises:
            UserError: the JSON does not know the image.
        """
        if image_id not in self._png_names:
            raise UserError(
                f"{self.ann_file} has no image with the id {image_id!r}; is it the ann_file of the evaluated data set?"
            )
        return self._png_names[image_id]

    def png_path(self, image_id: Any) -> str:
        """Where the true PNG of an image is read from."""
        return os.path.join(self.seg_prefix, self.png_name(image_id))

    def _distinct_png_names(self, images: Sequence[Image]) -> dict[Any, str]:
        """Return the PNG of each image, below the folder that it is read from or written to."""
        true = {image_id: annotation.file_name for image_id, annotation in self._annotations.items()}
        files = {image.id: image.file_name for image in images if image.id not in true}
        distinct = distinct_names({file: os.path.splitext(file)[0] for file in files.values()})
        names = {image_id: f"{distinct[file]}.png" for image_id, file in files.items()}
        for name in names.values():
            check_stays_below(self.ann_file, name)
        return true | names

    def segments(self, image_id: Any) -> SegmentMap:
        """Return the true segments of an image.

        Raises:
            UserError: the JSON does not know the image or has no segments for it; a segment has a category that is no
                class; the PNG is missing or broken.
        """
        path = self.png_path(image_id)
        if image_id not in self._annotations:
            raise UserError(
                f"{self.ann_file} has no segments of the image with the id {image_id!r}; where only a server has the "
                "truth, set the metric's format_only=True and out_dir"
            )
        segments = self._annotations[image_id].segments_info
        return segment_map(read_ids(path, self.backend_args), segments, self._class_of, self._things, path)


def segments_of_sample(
    sample: Mapping, seg_prefix: str | os.PathLike | None, things: Sequence[bool], backend_args: dict | None
) -> SegmentMap:
    """Return the true segments of a data sample that carries what mmdet's panoptic data sets know of an image.

    Args:
        sample: with ``segments_info`` (``id``, ``category`` as class and ``is_thing``, which is false for a crowd of
            things) and ``seg_map_path``.
        seg_prefix: another folder to find the PNG in.
        things: (K,) whether a class is countable.
        backend_args: MMEngine's, where PNGs are not local files.

    Raises:
        UserError: the sample lacks either key, or the PNG is missing or broken.
    """
    missing = [key for key in ("segments_info", "seg_map_path") if sample.get(key) is None]
    if missing:
        raise UserError(
            f"the sample of {sample.get('img_path')} has no {' and no '.join(missing)}: give the metric ann_file (and "
            "seg_prefix), or add 'segments_info' and 'seg_map_path' to the meta_keys of PackDetInputs"
        )
    path = sample["seg_map_path"]
    if seg_prefix is not None:
        path = os.path.join(seg_prefix, os.path.basename(path))
    path = str(path)
    return true_segments(read_ids(path, backend_args), sample["segments_info"], things, path)
