"""What a tool looks at before it starts, so that a mistake costs a second and not the time of a model's build."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import METRICS
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from mmmaskformer.categories import check_class_names, matches_by_name
from mmmaskformer.errors import UserError, listed
from mmmaskformer.registry import class_in_config
from mmmaskformer.runs.config import as_list, walk
from mmmaskformer.runs.dataset_info import dataset_metainfo, dataset_type, iterate_datasets

# Sizes and counts that mean nothing at zero or below, wherever in a config they stand.
POSITIVE = {
    "batch_size", "channels", "crop_size", "embed_dims", "feat_channels", "feedforward_channels", "in_channels",
    "mask_dim", "max_epochs", "max_iters", "max_per_image", "num_classes", "num_heads", "num_queries",
    "out_channels", "scale", "size", "size_divisor", "stride", "val_interval",
}  # fmt: skip
NOT_NEGATIVE = {
    "num_layers", "num_workers", "lr", "weight_decay", "dropout", "num_things_classes", "num_stuff_classes",
}  # fmt: skip
# Resize takes -1 for "as long as the other side makes it".
MINUS_ONE_MEANS_FREE = {"scale"}
# Pixels where they are whole numbers; some transforms take factors instead, which are floats (InstaBoost, RandomCrop).
MAY_BE_FACTORS = {"scale", "crop_size"}
LISTED = 3
NAMING_METRICS = ("CocoMetric", "CocoPanopticMetric")


def check_sizes(cfg: Config) -> None:
    """Refuses sizes and counts that are zero or negative.

    Raises:
        UserError: With the dotted path of the first one.
    """
    for key in ("model", "tta_model", "train_dataloader", "val_dataloader", "test_dataloader", "train_cfg"):
        for owner, where in walk(cfg.get(key), key):
            for name, value in owner.items():
                for number in _numbers(value) if name in POSITIVE | NOT_NEGATIVE else ():
                    expected = _expectation(name, number)
                    if expected:
                        raise UserError(f"{where}.{name} is {value}: must be {expected}")


def _expectation(name: str, number: float) -> str:
    """Return what a number under this name must be and is not; empty where it is right."""
    if name in MINUS_ONE_MEANS_FREE and number == -1:
        return ""
    if name in MAY_BE_FACTORS and isinstance(number, float):
        return "" if number > 0 else "more than 0"
    least = 1 if name in POSITIVE else 0
    return "" if number >= least else f"at least {least}"


def check_data_paths(cfg: Config, dataloaders: Sequence[str]) -> None:
    """Look for the folders and annotation files of data sets that are read from files.

    Args:
        cfg: The config.
        dataloaders: Keys of the data loaders that are going to be used.

    Raises:
        UserError: A folder or file is missing, or the folder of images is empty.
    """
    for key in dataloaders:
        for dataset in iterate_datasets(cfg.get(key)):
            if dataset_type(dataset) is None or dataset.get("generate") is not None:
                continue  # an unknown type has the registry's clearer error; generated data need not be there yet
            root = dataset.get("data_root") or ""
            named = {f"data_prefix.{name}": value for name, value in (dataset.get("data_prefix") or {}).items()}
            named |= {"ann_file": dataset.get("ann_file")}
            if root:
                _require(root, key, "data_root", root)
            for name, value in named.items():
                if value and isinstance(value, str):
                    _require(os.path.join(root, value), key, name, value)
            images = (dataset.get("data_prefix") or {}).get("img_path")
            if images and not dataset.get("ann_file") and _is_local(root):
                folder = Path(root, images)
                if folder.is_dir() and not any(folder.iterdir()):
                    raise UserError(f"{key}.dataset.data_prefix.img_path: the folder {folder} is empty")


def check_categories(cfg: Mapping, dataloaders: Sequence[str]) -> None:
    """Compare class names with the categories of COCO's files that are on this machine.

    This is about mmdet's CocoDataset, CocoPanopticDataset and those derived from them that match names in the same
    way, and about mmdet's two metrics of these formats. Our own data sets and metrics compare when they load.

    Args:
        cfg: The config.
        dataloaders: Keys of the data loaders that are going to be used; the evaluator of each is looked at, too.

    Raises:
        UserError: With the class that is no category, the file and its categories.
    """
    for key in dataloaders:
        metainfos = []
        for dataset in iterate_datasets(cfg.get(key)):
            kind = dataset_type(dataset)
            if kind is None or not isinstance(kind, type):
                continue
            metainfos.append(dataset_metainfo(dataset))
            path = os.path.join(dataset.get("data_root") or "", dataset.get("ann_file") or "")
            classes = metainfos[-1].get("classes")
            if classes is not None and matches_by_name(kind) and os.path.isfile(path):
                check_class_names(path, classes, f"{key} ({kind.__name__})")
        if metainfos and metainfos[0].get("classes") is not None:
            _check_metrics(cfg, key.replace("dataloader", "evaluator"), metainfos[0])


def _check_metrics(cfg: Mapping, key: str, metainfo: Mapping) -> None:
    classes = metainfo["classes"]
    for metric in as_list(cfg.get(key)):
        kind, path = class_in_config(METRICS, metric), metric.get("ann_file")
        name = getattr(kind, "__name__", "")
        if name not in NAMING_METRICS or metric.get("sort_categories") or not path or not os.path.isfile(path):
            continue
        # A file of instances may leave out the stuff behind the things.
        needed = metainfo.get("thing_classes", classes) if name == "CocoMetric" else classes
        check_class_names(path, classes, f"{key} ({name})", needed)


def check_checkpoint_exists(path: str, option: str) -> None:
    """Refuses a checkpoint on this machine's disk that is not there.

    Args:
        path: A path, or an address such as ``https://...`` that MMEngine knows how to load.
        option: How the user named it, for the message.

    Raises:
        UserError: There is no such file.
    """
    if _is_local(path) and not Path(path).expanduser().is_file():
        raise UserError(f"{option}: checkpoint {path} does not exist")


def check_checkpoint_fits(model: nn.Module, path: str, *, whole: bool = True) -> None:
    """Compare a checkpoint with a model by name and shape; MMEngine only logs a difference and goes on.

    Args:
        model: The model, unwrapped.
        path: The checkpoint.
        whole: Whether every parameter of the model must be in it. Otherwise, as for fine-tuning, it is enough that
            something fits.

    Raises:
        UserError: With the first keys that differ, and both shapes.
    """
    try:
        checkpoint = CheckpointLoader.load_checkpoint(path, map_location="cpu")
    except UserError:
        raise
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"checkpoint {path} cannot be read: {first}") from error
    except Exception as error:  # pickle's errors have no common class below Exception
        raise UserError(f"{path} is not a checkpoint: {type(error).__name__}") from error
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        raise UserError(
            f"checkpoint {path} has no weights by name: it must hold a dict of tensors, or one as state_dict"
        )
    if isinstance(checkpoint, Mapping) and not isinstance(checkpoint.get("meta", {}), Mapping):
        raise UserError(f"checkpoint {path}: its meta is a {type(checkpoint['meta']).__name__}, expected a dict")
    found = {k.removeprefix("module."): tuple(v.shape) for k, v in state.items() if isinstance(v, Tensor)}
    wanted = {k: tuple(v.shape) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    if not found.keys() & wanted.keys():
        theirs = listed(found, LISTED) or "no tensors at all"
        raise UserError(
            f"checkpoint {path} is of another model: it holds {theirs}; this model: {listed(wanted, LISTED)}"
        )
    if not whole:
        return
    other = [k for k in wanted if k in found and found[k] != wanted[k]]
    if other:
        first = listed((f"{k} is {found[k]} there and {wanted[k]} here" for k in other), LISTED, "; ")
        raise UserError(f"checkpoint {path} has other shapes in {len(other)} of {len(wanted)} tensors: {first}")
    missing = [k for k in wanted if k not in found and not k.startswith("auxiliary_head.")]
    if missing:
        raise UserError(f"checkpoint {path} lacks {len(missing)} of {len(wanted)} tensors: {listed(missing, LISTED)}")


def _is_local(path: str) -> bool:
    return "://" not in path


def _require(path: str, dataloader: str, name: str, value: str) -> None:
    if _is_local(path) and not os.path.exists(path):
        raise UserError(
            f"{dataloader}.dataset.{name}={value!r}: {os.path.abspath(path)} does not exist; "
            "say where the data lies with data_root and data_prefix"
        )


def _numbers(value: Any) -> list[int | float]:
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int | float):
        return [value]
    if isinstance(value, list | tuple):
        return [number for item in value for number in _numbers(item)]
    return []
