"""What runs around a model: hooks, mixed precision and processes on the CPU."""

from .amp import CPUAmpOptimWrapper
from .distributed import (
    check_gpu_of_this_process,
    end_with_launcher,
    has_gpu,
    init_cpu_process_group,
    leave_cpu_process_group,
)
from .hooks import DatasetMetaCheckHook, GroundTruthCheckHook, LabelMapWriterHook, SafeguardsHook, write_label_map
from .output_names import OutputNames, innermost_datasets

__all__ = [
    "CPUAmpOptimWrapper",
    "DatasetMetaCheckHook",
    "GroundTruthCheckHook",
    "LabelMapWriterHook",
    "OutputNames",
    "SafeguardsHook",
    "check_gpu_of_this_process",
    "end_with_launcher",
    "has_gpu",
    "init_cpu_process_group",
    "innermost_datasets",
    "leave_cpu_process_group",
    "write_label_map",
]
