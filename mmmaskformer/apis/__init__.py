"""Calls for tools and for users' own scripts."""

from .checks import check_checkpoint_exists, check_checkpoint_fits, check_data_paths, check_sizes
from .config import load_config, sync_dataset_meta
from .running import bare_model, draw_predictions, prepare_for_device, resume_from, use_amp, use_tta, write_label_maps

__all__ = [
    "bare_model",
    "check_checkpoint_exists",
    "check_checkpoint_fits",
    "check_data_paths",
    "check_sizes",
    "draw_predictions",
    "load_config",
    "prepare_for_device",
    "resume_from",
    "sync_dataset_meta",
    "use_amp",
    "use_tta",
    "write_label_maps",
]
