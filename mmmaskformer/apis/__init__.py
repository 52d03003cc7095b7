"""Calls for tools and for users' own scripts."""

from typing import Any

from .checks import check_checkpoint_exists, check_checkpoint_fits, check_data_paths, check_sizes
from .config import load_config, sync_dataset_meta
from .running import bare_model, draw_predictions, prepare_for_device, resume_from, use_amp, use_tta, write_label_maps

__all__ = [
    "MaskFormerInferencer",
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


def __getattr__(name: str) -> Any:
    # Importing the inferencer imports mmseg's models, which tools that only read a config should not wait for.
    if name == "MaskFormerInferencer":
        from .inferencer import MaskFormerInferencer

        return MaskFormerInferencer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
