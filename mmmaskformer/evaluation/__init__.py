"""Panoptic quality: a core of NumPy, and metrics for mmdet's and mmseg's runs."""

from mmmaskformer.evaluation.instance_metric import PanopticInstanceMetric
from mmmaskformer.evaluation.panoptic_metric import PanopticQualityMetric
from mmmaskformer.evaluation.panoptic_quality import PanopticCounts, Quality, count_matches
from mmmaskformer.evaluation.semantic_metric import SemanticPQMetric

__all__ = [
    "PanopticCounts",
    "PanopticInstanceMetric",
    "PanopticQualityMetric",
    "Quality",
    "SemanticPQMetric",
    "count_matches",
]
