"""Predictions in COCO's panoptic result format, as an evaluation server and panopticapi take them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmmaskformer.coco.annotations import segments_info
from mmmaskformer.coco.panoptic_png import write_panoptic_png
from mmmaskformer.files import atomic_open
from mmmaskformer.segments import SegmentMap


class PanopticSubmission:
    """A JSON and, beside it, a folder of its name with the PNGs.

    ``panoptic.json`` and ``panoptic/`` are what panopticapi's evaluation finds by itself. For a server, rename both to
    the name it asks for (COCO: ``panoptic_val2017_<name>_results``) and zip them together.

    Every rank writes the PNGs of its images; the JSON is written once, by the rank that has all annotations.

    Args:
        out_dir: Folder to write to; made when it is needed.
    """

    def __init__(self, out_dir: str | os.PathLike) -> None:
        self.json = Path(out_dir, "panoptic.json")
        self.folder = self.json.with_suffix("")

    def write_image(self, image_id: Any, png_name: str, segments: SegmentMap, category_ids: Sequence[int]) -> dict:
        """Write one image's PNG.

        Args:
            image_id: the image's id in the data set's JSON.
            png_name: the file's name below the folder.
            segments: the predicted segments.
            category_ids: (K,) the category of each class.

        Returns:
            The image's annotation for :meth:`write_json`.
        """
        write_panoptic_png(segments.ids, self.folder / png_name)
        return {
            "image_id": image_id,
            "file_name": png_name,
            "segments_info": segments_info(segments, category_ids),
        }

    def write_json(self, annotations: Sequence[dict]) -> None:
        """Write the JSON of the images' annotations."""
        self.json.parent.mkdir(parents=True, exist_ok=True)
        with atomic_open(self.json, "w", encoding="utf-8") as file:
            json.dump({"annotations": list(annotations)}, file)
