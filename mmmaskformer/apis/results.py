"""What the inferencer gives out about an image, and how that is written to files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from mmmaskformer.apis.arrays import as_picture
from mmmaskformer.coco.annotations import corner_and_size, encoded_masks, segments_info
from mmmaskformer.coco.panoptic_png import write_panoptic_png
from mmmaskformer.engine.hooks.label_maps import write_label_map
from mmmaskformer.files import atomic_open
from mmmaskformer.segments import ImageSegmentation
from mmmaskformer.visualization import MIN_SCORE, draw_segmentation, read_picture, write_png

# What `save` adds to an image's name.
IMAGE_ENDINGS = ("labels.png", "overlay.png", "panoptic.png", "panoptic_overlay.png", "instances_overlay.png")
OVERLAYS = {"semantic": "overlay", "panoptic": "panoptic_overlay", "instance": "instances_overlay"}


def image_outputs(out_dir: str | os.PathLike, names: Iterable[str]) -> Iterator[Path]:
    """Return the image files that :meth:`SegmentationResult.save` may write about images of these names."""
    for name in names:
        yield from (Path(out_dir, f"{name}_{ending}") for ending in IMAGE_ENDINGS)


@dataclass(frozen=True)
class SegmentationResult(ImageSegmentation):
    """What the model says about one image, at the image's own size.

    Attributes:
        labels: (H, W) int64, indices into ``classes``; anything else is void. None if not asked.
        panoptic: the map of segments, with class, score, area and box of each; None if not asked.
        instances: labels, scores, boxes and masks of objects; None if not asked.
        classes: name of every class.
        palette: red, green and blue of every class.
        source: the file, or the array that was given.
        name: for files written about it: unlike that of any other image of the same call. A file that was given twice
            has two results of one name.
        loading: how the file was decoded: ``color_type`` and ``backend_args`` of MMCV's ``LoadImageFromFile``.
    """

    classes: Sequence[str] = ()
    palette: Sequence[Sequence[int]] = ()
    source: Path | ndarray | None = None
    name: str = ""
    loading: Mapping[str, Any] = field(default_factory=dict)

    def image(self) -> ndarray:
        """Return the image, (H, W, 3) uint8, RGB; a file is read again."""
        if isinstance(self.source, np.ndarray):
            return as_picture(self.source)
        return read_picture(self.source, **self.loading)

    def overlay(self, opacity: float = 0.5, min_score: float = MIN_SCORE) -> ndarray:
        """Return the image under the first that there is of segments, instances (of ``min_score``) and label map.

        Returns:
            (H', W', 3) uint8, RGB, with a legend.
        """
        return next(self._overlays(opacity, min_score))[1]

    def _overlays(self, opacity: float, min_score: float) -> Iterator[tuple[str, ndarray]]:
        return draw_segmentation(self.image(), self, self.classes, self.palette, opacity=opacity, min_score=min_score)

    def save(
        self,
        out_dir: str | os.PathLike,
        overlay: bool = True,
        opacity: float = 0.5,
        min_score: float = MIN_SCORE,
    ) -> None:
        """Write what the model predicted, and pictures of it.

        A label map goes to ``<name>_labels.png`` (8 bit; 16 bit above 256 labels) and ``<name>_overlay.png``. Segments
        go to ``<name>_panoptic.png`` (ids in RGB as COCO has them, 0 being void), ``<name>_panoptic.json`` and
        ``<name>_panoptic_overlay.png``. Instances, all of them with their masks run-length encoded, go to
        ``<name>_instances.json``, and those of ``min_score`` to ``<name>_instances_overlay.png``.

        Args:
            out_dir: a folder, which is made.
            overlay: whether to draw pictures.
            opacity: of the pictures' colors, 0..1.
            min_score: instances below are not drawn.
        """

        def path(ending: str) -> Path:
            return Path(out_dir, f"{self.name}_{ending}")

        if self.labels is not None:
            wide = len(self.classes) > 256 or self.labels.max() > 255
            write_label_map(self.labels.astype(np.uint16 if wide else np.uint8), path("labels.png"))
        if self.panoptic is not None:
            write_panoptic_png(self.panoptic.ids, path("panoptic.png"))
            _write_json(self._panoptic_annotation(), path("panoptic.json"))
        if self.instances is not None:
            _write_json(self._instance_annotations(), path("instances.json"))
        if overlay:
            for kind, picture in self._overlays(opacity, min_score):
                write_png(picture, path(f"{OVERLAYS[kind]}.png"))

    def _panoptic_annotation(self) -> dict[str, Any]:
        """Return an annotation of COCO's panoptic format, with names; ``category_id`` counts the model's classes."""
        segments = [
            {
                **info,
                "category": self.classes[segment.label],
                "isthing": int(segment.is_thing),
                "score": _rounded(segment.score),
                "area": segment.area,
                "bbox": corner_and_size(segment.box),
            }
            for info, segment in zip(segments_info(self.panoptic, range(len(self.classes))), self.panoptic.segments)
        ]
        return {**self._about_image(), "file_name": f"{self.name}_panoptic.png", "segments_info": segments}

    def _instance_annotations(self) -> dict[str, Any]:
        """Results of COCO's instance format, with names; ``category_id`` counts the model's classes."""
        found = self.instances
        columns = (found.labels.tolist(), found.scores, found.boxes.tolist(), encoded_masks(found.masks))
        instances = [
            {
                "category_id": label,
                "category": self.classes[label],
                "score": _rounded(score),
                "bbox": corner_and_size(box),
                "segmentation": runs,
            }
            for label, score, box, runs in zip(*columns)
        ]
        return {**self._about_image(), "instances": instances}

    def _about_image(self) -> dict[str, Any]:
        name = self.source.name if isinstance(self.source, Path) else self.name
        size = self.panoptic.shape if self.panoptic is not None else self.instances.masks.shape[1:]
        return {"image": name, "height": size[0], "width": size[1]}


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(float(score), 5)


def _write_json(content: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(path, "w", encoding="utf-8") as file:
        json.dump(content, file)
