"""Predictions in COCO's panoptic result format, as an evaluation server and panopticapi take them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmmaskformer.coco.panoptic_png import write_panoptic_png
from mmmaskformer.evaluation.panoptic_quality import PanopticMap
from mmmaskformer.files import atomic_open


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

    def write_image(self, image_id: Any, png_name: str, segments: PanopticMap, category_ids: Sequence[int]) -> dict:
        """Writes one image's PNG.

        Args:
            image_id: the image's id in the data set's JSON.
            png_name: the file's name below the folder.
            segments: the predicted segments; their ids become 1..S, as 0 must be VOID.
            category_ids: (K,) the category of each class.

        Returns:
            The image's annotation for :meth:`write_json`.
        """
        pixels = segments.segment_of(segments.pixels.reshape(-1).astype(np.int64)).reshape(segments.pixels.shape)
        write_panoptic_png(pixels, self.folder / png_name)
        infos = [{"id": i, "category_id": category_ids[label]} for i, label in enumerate(segments.labels.tolist(), 1)]
        return {"image_id": image_id, "file_name": png_name, "segments_info": infos}

    def write_json(self, annotations: Sequence[dict]) -> None:
        """Writes the JSON of the images' annotations."""
        self.json.parent.mkdir(parents=True, exist_ok=True)
        with atomic_open(self.json, "w", encoding="utf-8") as file:
            json.dump({"annotations": list(annotations)}, file)
