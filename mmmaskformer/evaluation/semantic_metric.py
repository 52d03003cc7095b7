"""PQ^St: panoptic quality of semantic segmentation, in mmseg's runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmmaskformer.errors import UserError
from mmmaskformer.evaluation.panoptic_quality import PanopticCounts, count_matches
from mmmaskformer.evaluation.quality_tables import class_numbers, class_table, group_numbers, group_table
from mmmaskformer.labels import check_ignore_index
from mmmaskformer.registry import METRICS
from mmmaskformer.sample_results import label_map
from mmmaskformer.segments import SegmentMap

COMPARED = ("pred_sem_seg", "gt_sem_seg")


@METRICS.register_module()
class SemanticPQMetric(BaseMetric):
    """PQ^St, SQ^St and RQ^St in percent, as ``PQ_st``, ``SQ_st`` and ``RQ_st`` (Sec. 4, evaluation metrics).

    Every class is stuff: all pixels of a class in an image are one segment, in the prediction as in the truth. Unlike
    IoU, a class that is predicted where it is not costs as much as one that is missed, however small it is. Stands
    beside ``IoUMetric`` in a list of evaluators, and reads mmdet's samples as well as mmseg's.

    Args:
        ignore_index: label of void pixels, as in ``IoUMetric``.
        classwise: whether to print and record every class as well, as ``wall_PQ``.
        **kwargs: as for ``mmengine.evaluator.BaseMetric``: ``collect_device``, ``prefix``, ``collect_dir``.
    """

    def __init__(self, ignore_index: int = 255, classwise: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ignore_index = ignore_index
        self.classwise = classwise

    @property
    def dataset_meta(self) -> dict | None:
        """The data set's metainfo.

        Raises:
            UserError: ``ignore_index`` is one of its classes; when it is set, which runners do before they train.
        """
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, meta: dict) -> None:
        check_ignore_index("SemanticPQMetric", self.ignore_index, len(meta["classes"]))
        self._dataset_meta = meta

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep each image's counts."""
        num_classes = len(self.dataset_meta["classes"])
        for sample in data_samples:
            names = tuple(f"{which} of {sample.get('img_path')}" for which in COMPARED)
            for which, name in zip(COMPARED, names):
                if which not in sample:
                    raise UserError(f"{name} is missing; SemanticPQMetric compares pred_sem_seg with gt_sem_seg")
            maps = (SegmentMap.from_label_map(label_map(sample[which]), self.ignore_index) for which in COMPARED)
            self.results.append(count_matches(*maps, num_classes, names).pack())

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return the numbers of all images."""
        classes = self.dataset_meta["classes"]
        counts = PanopticCounts.unpack(results, len(classes))
        quality = counts.mean()
        print_log(f"semantic segmentation as panoptic quality:\n{group_table({'stuff': quality})}", logger="current")
        numbers = group_numbers(quality, "_st")
        if self.classwise:
            print_log(f"PQ by class:\n{class_table(counts, classes)}", logger="current")
            numbers.update(class_numbers(counts, classes))
        return numbers
