"""Drawing the results of a test run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine import fileio
from mmengine.hooks import Hook
from numpy import ndarray

from mmmaskformer.coco.panoptic_png import read_panoptic_png
from mmmaskformer.engine.hooks.label_maps import label_map
from mmmaskformer.engine.output_names import OutputNames, color_type
from mmmaskformer.registry import HOOKS

from .colors import complete_palette
from .outputs import read_outputs
from .pictures import draw_panels, read_picture, write_png
from .segment_pictures import draw_segment_panels
from .segments import SegmentMap, true_segments

ENDINGS = {"semantic": ".png", "panoptic": "_panoptic.png", "instance": "_instances.png"}


@HOOKS.register_module()
class PanelWriterHook(Hook):
    """Draws image | truth | prediction of each test image, or an overlay where there is no truth.

    Pictures keep the image's path below its data set's image folder (see :class:`mmmaskformer.engine.OutputNames`):
    ``a.png`` shows the semantic prediction of ``a.jpg``, ``a_panoptic.png`` the panoptic one, ``a_instances.png`` the
    instances; each is there if the model predicts it. Panoptic truth is what the data set (mmdet's CocoPanopticDataset)
    says about the image, whether or not the pipeline loads it; semantic truth follows from it, or else is what the
    pipeline loads. Instances are drawn over the image alone.

    Args:
        out_dir: folder to write to.
    """

    def __init__(self, out_dir: str) -> None:
        self.out_dir = Path(out_dir)

    def before_test(self, runner: Any) -> None:
        """Decides on names; remembers what the classes are called and where the data set keeps which image."""
        self.dataset = runner.test_dataloader.dataset
        self.names = OutputNames(self.dataset, list(ENDINGS.values()))
        self.color_type = color_type(self.dataset)
        self.classes = list(self.dataset.metainfo["classes"])
        self.palette = complete_palette(self.dataset.metainfo.get("palette"), len(self.classes))
        self.place = {}
        if "thing_classes" in self.dataset.metainfo:
            self.place = {self.dataset.get_data_info(i)["img_path"]: i for i in range(len(self.dataset))}

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any, outputs: Sequence[Any]) -> None:
        """Draws one batch."""
        for sample in outputs:
            image = read_picture(sample.img_path, self.color_type)
            for kind, picture in self._draw(image, sample).items():
                write_png(picture, self.names.path(self.out_dir, sample.img_path, ENDINGS[kind]))

    def _draw(self, image: ndarray, sample: Any) -> dict[str, ndarray]:
        found = read_outputs(sample, len(self.classes))
        segments = self._true_segments(sample.img_path)
        labels = self._true_labels(sample, image, segments)
        pictures = {}
        if found.panoptic is not None and segments is not None:
            pictures["panoptic"] = draw_segment_panels(image, segments, found.panoptic, self.classes, self.palette)
            found = replace(found, panoptic=None)
        if found.labels is not None and labels is not None:
            pictures["semantic"] = draw_panels(image, labels, found.labels, self.classes, self.palette)
            found = replace(found, labels=None)
        return pictures | dict(found.overlays(image, self.classes, self.palette))

    def _true_segments(self, image_path: str) -> SegmentMap | None:
        if image_path not in self.place:
            return None
        known = self.dataset.get_data_info(self.place[image_path])
        if not known.get("seg_map_path"):
            return None
        ids = read_panoptic_png(bytes(fileio.get(known["seg_map_path"])), known["seg_map_path"])
        return true_segments(ids, known["segments_info"], len(self.dataset.metainfo["thing_classes"]))

    def _true_labels(self, sample: Any, image: ndarray, segments: SegmentMap | None) -> ndarray | None:
        if segments is not None:
            return segments.labels(void=len(self.classes))
        if "gt_sem_seg" not in sample:
            return None
        # A pipeline that resizes after loading the annotations resizes the truth, too. OpenCV resizes no int64.
        truth = label_map(sample.gt_sem_seg).astype(np.int32)
        return cv2.resize(truth, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
