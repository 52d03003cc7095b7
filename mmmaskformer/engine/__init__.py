"""What runs around a model: hooks, mixed precision and processes on the CPU."""

from .amp import CPUAmpOptimWrapper
from .datasets import OutputNames, innermost_datasets
from .distributed import (
    check_gpu_of_this_process,
    end_with_launcher,
    has_gpu,
    init_cpu_process_group,
    leave_cpu_process_group,
)
from .ground_truth import GroundTruthCheckHook
from .hooks import DatasetMetaCheckHook
from .label_maps import LabelMapWriterHook, write_label_map

__all__ = [
    "CPUAmpOptimWrapper",
    "DatasetMetaCheckHook",
    "GroundTruthCheckHook",
    "LabelMapWriterHook",
    "OutputNames",
    "check_gpu_of_this_process",
    "end_with_launcher",
    "has_gpu",
    "init_cpu_process_group",
    "innermost_datasets",
    "leave_cpu_process_group",
    "write_label_map",
]
