"""What a model of mmseg or mmdet predicted on one image, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy import ndarray

from mmmaskformer.engine.hooks.label_maps import label_map

from .colors import Color
from .pictures import draw_overlay
from .segment_pictures import draw_instances, draw_panoptic
from .segments import Instances, SegmentMap, predicted_segments

MIN_SCORE = 0.5  # of an instance to be drawn: a model gives out its hundred best guesses


@dataclass(frozen=True)
class Outputs:
    """Predictions on one image, None for what the model was not asked.

    Attributes:
        labels: (H, W) int64, semantic; anything that is no class is void.
        panoptic: segments, no two of which overlap.
        instances: objects with their masks.
    """

    labels: ndarray | None = None
    panoptic: SegmentMap | None = None
    instances: Instances | None = None

    def overlays(
        self,
        image: ndarray,
        classes: Sequence[str],
        palette: Sequence[Color],
        opacity: float = 0.5,
        min_score: float = MIN_SCORE,
    ) -> Iterator[tuple[str, ndarray]]:
        """Draws a picture for each kind of output, one after the other.

        Args:
            image: (H, W, 3) uint8, RGB.
            classes: name of every class.
            palette: red, green and blue of every class, 0..255.
            opacity: 0 shows the image alone, 1 the colors alone.
            min_score: instances below are not drawn.

        Yields:
            ``"panoptic"``, ``"instance"`` or ``"semantic"``, and the picture, (H', W', 3) uint8, RGB.
        """
        if self.panoptic is not None:
            yield "panoptic", draw_panoptic(image, self.panoptic, classes, palette, opacity)
        if self.instances is not None:
            yield "instance", draw_instances(image, self.instances.above(min_score), classes, palette, opacity)
        if self.labels is not None:
            yield "semantic", draw_overlay(image, self.labels, classes, palette, opacity)


def read_outputs(sample: Any, num_classes: int) -> Outputs:
    """Reads the predictions of a data sample.

    Args:
        sample: mmseg's SegDataSample, or mmdet's DetDataSample with panoptic, semantic and instance predictions or
            some of them.
        num_classes: K, mmdet's value for void in panoptic maps.
    """
    labels = panoptic = instances = None
    if "pred_sem_seg" in sample:
        labels = label_map(sample.pred_sem_seg)
    if "pred_panoptic_seg" in sample:
        found = sample.get("pred_segments")
        if found is not None:
            found = {key: found[key].cpu().numpy() for key in ("ids", "labels", "scores")}
        panoptic = predicted_segments(sample.pred_panoptic_seg.sem_seg.squeeze(0).cpu().numpy(), num_classes, found)
    if "pred_instances" in sample and "masks" in sample.pred_instances:
        arrays = (sample.pred_instances[key].cpu().numpy() for key in ("labels", "scores", "bboxes", "masks"))
        instances = Instances(*arrays)
    return Outputs(labels, panoptic, instances)
