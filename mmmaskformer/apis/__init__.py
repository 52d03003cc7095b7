"""Calls for tools and for users' own scripts."""

from typing import Any

from .checks import check_categories, check_checkpoint_exists, check_checkpoint_fits, check_data_paths, check_sizes
from .config import load_config, sync_dataset_meta
from .folders import check_is_no_file, check_is_no_input, check_output_folders, check_work_dir
from .outputs import choose_outputs, draw_predictions, write_predictions
from .running import bare_model, prepare_for_device, resume_from, use_amp, use_tta

__all__ = [
    "MaskFormerInferencer",
    "bare_model",
    "check_categories",
    "check_checkpoint_exists",
    "check_checkpoint_fits",
    "check_data_paths",
    "check_is_no_file",
    "check_is_no_input",
    "check_output_folders",
    "check_sizes",
    "check_work_dir",
    "choose_outputs",
    "draw_predictions",
    "load_config",
    "prepare_for_device",
    "resume_from",
    "sync_dataset_meta",
    "use_amp",
    "use_tta",
    "write_predictions",
]


def __getattr__(name: str) -> Any:
    # Importing the inferencer imports mmseg's models, which tools that only read a config should not wait for.
    if name == "MaskFormerInferencer":
        from .inferencer import MaskFormerInferencer

        return MaskFormerInferencer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
