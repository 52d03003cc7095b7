"""Instances in COCO's format, derived from panoptic ground truth."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from pycocotools import mask as rle

from mmmaskformer.datasets.panoptic_json import annotations_by_image
from mmmaskformer.datasets.panoptic_segments import read_segment_positions
from mmmaskformer.datasets.progress import with_progress


def instances_of_panoptic(
    panoptic: Mapping, png_dir: str, path: str, backend_args: Mapping | None = None, show_progress: bool = False
) -> dict:
    """The things of panoptic ground truth as COCO's instance json, for instance for mask AP.

    Crowds stay crowds. Areas and boxes are those of the masks. Every segment becomes one annotation, so a data set
    whose instances overlap (COCO: its own instance json is the better one) lacks what lies below another instance.

    Args:
        panoptic: content of the panoptic json.
        png_dir: folder with the PNGs that it names.
        path: the json, for errors.
        backend_args: MMEngine's storage backend of the PNGs.
        show_progress: whether to draw a progress bar.

    Returns:
        A dict to be written as json: ``images``, ``categories`` (the things) and ``annotations`` with masks as RLE.

    Raises:
        UserError: the json is wrong in itself or disagrees with a PNG.
    """
    things = [category for category in panoptic["categories"] if category.get("isthing")]
    thing_ids = {category["id"] for category in things}
    annotations: list[dict] = []
    images = annotations_by_image(panoptic, path).items()
    for image_id, annotation in with_progress(images, "deriving instances") if show_progress else images:
        segments = annotation["segments_info"]
        png = os.path.join(png_dir, annotation["file_name"])
        positions = read_segment_positions(png, [segment["id"] for segment in segments], backend_args)
        chosen = [place for place, segment in enumerate(segments) if segment["category_id"] in thing_ids]
        masks = (positions[..., None] == np.array(chosen, positions.dtype)).view(np.uint8)
        for place, code in zip(chosen, rle.encode(np.asfortranarray(masks))):
            annotations.append(
                dict(
                    id=len(annotations) + 1,  # COCO's evaluation takes 0 for "none"
                    image_id=image_id,
                    category_id=segments[place]["category_id"],
                    iscrowd=int(bool(segments[place].get("iscrowd"))),
                    area=int(rle.area(code)),
                    bbox=rle.toBbox(code).tolist(),
                    segmentation=dict(size=code["size"], counts=code["counts"].decode()),
                )
            )
    return dict(images=list(panoptic["images"]), categories=things, annotations=annotations)
