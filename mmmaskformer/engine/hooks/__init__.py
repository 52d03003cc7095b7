"""Hooks of the Runner."""

from .dataset_meta import DatasetMetaCheckHook
from .ground_truth import GroundTruthCheckHook
from .label_maps import LabelMapWriterHook, write_label_map

__all__ = ["DatasetMetaCheckHook", "GroundTruthCheckHook", "LabelMapWriterHook", "write_label_map"]
