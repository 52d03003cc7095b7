"""Hooks of the Runner; ``panels``, which draws, is imported when its hook is asked for."""

from .dataset_meta import DatasetMetaCheckHook
from .ground_truth import GroundTruthCheckHook
from .label_maps import LabelMapWriterHook, write_label_map
from .safeguards import SafeguardsHook

__all__ = ["DatasetMetaCheckHook", "GroundTruthCheckHook", "LabelMapWriterHook", "SafeguardsHook", "write_label_map"]
