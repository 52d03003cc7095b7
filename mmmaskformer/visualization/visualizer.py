"""Pictures of all that is known about an image, and MMEngine's visualizer that draws them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.dist import master_only
from mmengine.visualization import LocalVisBackend, Visualizer
from numpy import ndarray

from mmmaskformer.errors import UserError
from mmmaskformer.registry import VISUALIZERS
from mmmaskformer.sample_results import prediction_of, truth_of
from mmmaskformer.segments import ImageSegmentation, Instances, SegmentMap

from .colors import Color, complete_palette
from .pictures import write_png
from .segment_pictures import draw_overlay, draw_panels

MIN_SCORE = 0.5  # of an instance to be drawn: a model gives out its hundred best guesses
ENDINGS = {"semantic": "", "panoptic": "_panoptic", "instance": "_instances"}


def draw_segmentation(
    image: ndarray,
    found: ImageSegmentation,
    classes: Sequence[str],
    palette: Sequence[Color],
    truth: ImageSegmentation | None = None,
    opacity: float = 0.5,
    min_score: float = MIN_SCORE,
) -> Iterator[tuple[str, ndarray]]:
    """Draws a picture of each kind of result, one after the other.

    It is image | truth | prediction where the truth is known, and else an overlay.

    Args:
        image: (H, W, 3) uint8, RGB.
        found: what a model predicted.
        classes: name of every class.
        palette: red, green and blue of every class, 0..255.
        truth: what is there.
        opacity: of overlays; 0 shows the image alone, 1 the colors alone.
        min_score: predicted instances below are not drawn; where none is left, the legend says so.

    Yields:
        ``"panoptic"``, ``"instance"`` or ``"semantic"``, and the picture, (H', W', 3) uint8, RGB.
    """
    for (kind, predicted), (_, true) in zip(
        _maps(found, len(classes)), _maps(truth or ImageSegmentation(), len(classes))
    ):
        if predicted is None:
            continue
        note = ""
        if isinstance(predicted, Instances):
            note = _threshold_note(predicted, min_score, classes)
            predicted = predicted.above(min_score)
        if true is None:
            yield kind, draw_overlay(image, predicted, classes, palette, opacity, note)
        else:
            yield kind, draw_panels(image, true, predicted, classes, palette, note)


def _maps(found: ImageSegmentation, num_classes: int) -> Iterator[tuple[str, SegmentMap | Instances | None]]:
    """Each kind of result as segments; the classes of a label map are its segments."""
    yield "panoptic", found.panoptic
    yield "instance", found.instances
    if found.labels is None:
        yield "semantic", None
    else:
        labels = range(num_classes)
        yield "semantic", SegmentMap.from_values(found.labels, labels, labels, [False] * num_classes, void=-1)


def _threshold_note(instances: Instances, min_score: float, classes: Sequence[str]) -> str:
    """Return what the legend says about the instances that are left out."""
    if instances.scores is None or (instances.scores >= min_score).any():
        return ""
    if not len(instances):
        return "no instance predicted"
    best = int(instances.scores.argmax())
    surest = f"{classes[instances.labels[best]]} {instances.scores[best]:.2f}"
    return f"no instance with a score of {min_score:g} or more (the best: {surest})"


@VISUALIZERS.register_module()
class SegmentationVisualizer(Visualizer):
    """Draws semantic, panoptic and instance results of mmseg's and mmdet's data samples for MMEngine's backends.

    In place of mmseg's SegLocalVisualizer and mmdet's DetLocalVisualizer; their visualization hooks work with it.
    Pictures go to all ``vis_backends``. A sample with several kinds of results makes several pictures, with
    ``_panoptic`` and ``_instances`` behind the name.

    Args:
        name: of the instance, see :class:`mmengine.visualization.Visualizer`.
        opacity: of the colors over an image, 0..1.
        min_score: instances below are not drawn, if a hook gives no other score.
        **kwargs: see :class:`mmengine.visualization.Visualizer`.
    """

    def __init__(
        self, name: str = "visualizer", *, opacity: float = 0.5, min_score: float = MIN_SCORE, **kwargs: Any
    ) -> None:
        super().__init__(name, **kwargs)
        self.opacity = opacity
        self.min_score = min_score

    @master_only
    def add_datasample(
        self,
        name: str,
        image: ndarray,
        data_sample: Any,
        draw_gt: bool = True,
        show: bool = False,
        wait_time: float = 0,
        step: int = 0,
        out_file: str | os.PathLike | None = None,
        pred_score_thr: float | None = None,
        truth: ImageSegmentation | None = None,
    ) -> None:
        """Draws a data sample and hands the pictures to the backends.

        Args:
            name: of the picture.
            image: (H, W, 3) uint8, RGB.
            data_sample: with predictions, and with the truth if the pipeline loads it.
            draw_gt: show the truth beside the prediction.
            show: open a window, and write nothing.
            wait_time: seconds that the window stays; 0 for until a key is pressed.
            step: number of the picture among those of its name.
            out_file: write PNGs of this name in place of the local backend's, which has names of its own.
            pred_score_thr: instances below are not drawn; by default ``min_score``.
            truth: in place of the sample's own. Label maps of another size are resized, instances are left out.
        """
        classes = (self.dataset_meta or {}).get("classes")
        if not classes:
            raise UserError("the visualizer knows no classes: the data set's metainfo must have them")
        palette = complete_palette(self.dataset_meta.get("palette"), len(classes))
        found = prediction_of(data_sample, len(classes))
        if draw_gt:
            truth = _of_size(truth or truth_of(data_sample), image.shape[:2])
        score = self.min_score if pred_score_thr is None else pred_score_thr
        for kind, picture in draw_segmentation(image, found, classes, palette, truth, self.opacity, score):
            if show:
                self.show(picture, win_name=name + ENDINGS[kind], wait_time=wait_time)
                continue
            if out_file is not None:
                path = Path(out_file)
                write_png(picture, path.with_name(f"{path.stem}{ENDINGS[kind]}.png"))
            for backend in self._vis_backends.values():
                if out_file is None or not isinstance(backend, LocalVisBackend):
                    backend.add_image(name + ENDINGS[kind], picture, step)


def _of_size(truth: ImageSegmentation, size: tuple[int, int]) -> ImageSegmentation:
    """Return the truth at the size of an image: a pipeline that resizes after loading annotations resizes them, too."""
    labels, instances = truth.labels, truth.instances
    if labels is not None and labels.shape != size:
        # OpenCV resizes no int64.
        labels = cv2.resize(labels.astype(np.int32), size[::-1], interpolation=cv2.INTER_NEAREST)
    if instances is not None and instances.masks.shape[1:] != size:
        instances = None
    return ImageSegmentation(labels, truth.panoptic, instances)
