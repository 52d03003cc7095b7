"""Mask AP against the instances that panoptic ground truth implies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.datasets.api_wrappers import COCO
from mmdet.evaluation import CocoMetric

from mmmaskformer.coco.panoptic_json import labels_of_categories, read_panoptic_json
from mmmaskformer.datasets.panoptic_instances import instances_of_panoptic
from mmmaskformer.registry import METRICS


@METRICS.register_module()
class PanopticInstanceMetric(CocoMetric):
    """mmdet's CocoMetric for a data set that has no instance json, only a panoptic one.

    The instances are derived in memory when they are first compared with, by the process that compares, so that a data
    folder may be read-only. COCO has an instance json, whose instances overlap: use CocoMetric with it there.

    Args:
        ann_file: panoptic json of the truth.
        seg_prefix: folder with its PNGs.
        metric: "segm", "bbox" or both.
        backend_args: MMEngine's storage backend of json and PNGs.
        **kwargs: as for ``mmdet.evaluation.CocoMetric``.
    """

    def __init__(
        self,
        ann_file: str,
        seg_prefix: str,
        metric: str | Sequence[str] = "segm",
        backend_args: Mapping | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(metric=metric, backend_args=backend_args, **kwargs)
        self.ann_file = ann_file
        self.seg_prefix = seg_prefix
        # Without one, CocoMetric would ask every sample for its instances.
        self._coco_api = COCO()

    def compute_metrics(self, results: list) -> dict[str, float]:
        """AP of all images.

        Raises:
            UserError: json and PNGs disagree, or the json's categories are not the data set's classes.
        """
        if not self._coco_api.dataset:
            panoptic = read_panoptic_json(self.ann_file, self.backend_args)
            labels_of_categories(panoptic, self.dataset_meta, self.ann_file)
            self._coco_api.dataset = instances_of_panoptic(
                panoptic, self.seg_prefix, self.ann_file, self.backend_args, things=self.dataset_meta["thing_classes"]
            )
            self._coco_api.createIndex()
        return super().compute_metrics(results)
