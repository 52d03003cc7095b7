"""Instances in COCO's format, derived from panoptic ground truth."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

import numpy as np
from msgspec import to_builtins

from mmmaskformer.coco.annotations import corner_and_size, encoded_masks, read_ids, segment_map
from mmmaskformer.coco.panoptic_json import PanopticTruth, annotations_by_image, thing_ids
from mmmaskformer.datasets.progress import with_progress


def instances_of_panoptic(
    panoptic: PanopticTruth,
    png_dir: str,
    path: str,
    backend_args: Mapping | None = None,
    show_progress: bool = False,
    things: Collection[str] | None = None,
) -> dict:
    """Return the things of panoptic ground truth as COCO's instance json, for instance for mask AP.

    Crowds stay crowds. Areas and boxes are those of the masks. Every segment becomes one annotation, so a data set
    whose instances overlap (COCO: its own instance json is the better one) lacks what lies below another instance.

    Args:
        panoptic: content of the panoptic json.
        png_dir: folder with the PNGs that it names.
        path: the json, for errors.
        backend_args: MMEngine's storage backend of the PNGs.
        show_progress: whether to draw a progress bar.
        things: names of the things, where metainfo has them; by default the json must say.

    Returns:
        A dict to be written as json: ``images``, ``categories`` (the things) and ``annotations`` with masks as RLE.

    Raises:
        UserError: an image has no annotation, the json disagrees with a PNG, or nothing says what is a thing.
    """
    chosen_ids = thing_ids(panoptic, path, things)
    class_of = {category.id: label for label, category in enumerate(panoptic.categories)}
    countable = np.array([number in chosen_ids for number in class_of])
    annotations: list[dict] = []
    images = annotations_by_image(panoptic, path).items()
    for image_id, annotation in with_progress(images, "deriving instances") if show_progress else images:
        segments = annotation.segments_info
        png = os.path.join(png_dir, annotation.file_name)
        found = segment_map(read_ids(png, backend_args), segments, class_of, countable, png)
        chosen = np.flatnonzero(countable[found.labels])
        for place, code in zip(chosen.tolist(), encoded_masks(found.masks(chosen + 1))):
            annotations.append(
                dict(
                    id=len(annotations) + 1,  # COCO's evaluation takes 0 for "none"
                    image_id=image_id,
                    category_id=segments[place].category_id,
                    iscrowd=int(found.crowds[place]),
                    area=int(found.areas[place]),
                    bbox=[float(side) for side in corner_and_size(found.boxes[place])],
                    segmentation=code,
                )
            )
    categories = [category for category in panoptic.categories if category.id in chosen_ids]
    return dict(images=to_builtins(panoptic.images), categories=to_builtins(categories), annotations=annotations)
