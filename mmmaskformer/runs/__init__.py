"""What happens between reading a config and starting its Runner."""

from .checks import check_categories, check_checkpoint_exists, check_checkpoint_fits, check_data_paths, check_sizes
from .config import load_config, sync_dataset_meta
from .output_folders import check_is_no_file, check_is_no_input, check_output_folders, check_work_dir
from .preparation import bare_model, prepare_for_device, use_amp, use_tta
from .resuming import check_can_resume, resume_from

__all__ = [
    "bare_model",
    "check_can_resume",
    "check_categories",
    "check_checkpoint_exists",
    "check_checkpoint_fits",
    "check_data_paths",
    "check_is_no_file",
    "check_is_no_input",
    "check_output_folders",
    "check_sizes",
    "check_work_dir",
    "load_config",
    "prepare_for_device",
    "resume_from",
    "sync_dataset_meta",
    "use_amp",
    "use_tta",
]
