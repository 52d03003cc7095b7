"""Where a tool writes: not over what another of its options writes, and not over what it reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from mmengine.config import Config

from mmmaskformer.errors import UserError
from mmmaskformer.runs.dataset_info import iterate_datasets

FILE_ENDINGS = (".pkl", ".json", ".png", ".jpg", ".pth", ".txt", ".csv", ".zip", ".npy", ".npz")


def check_output_folders(cfg: Config, folders: Mapping[str, str | os.PathLike | None]) -> None:
    """Refuses folders for the results of a test run in which files would be written over.

    Two of them must not be the same, nor one inside the other: label maps and pictures of them have the same names.
    None may be a folder of the test data or lie in one of its image or label folders.

    Args:
        cfg: The config.
        folders: By the option that names them; None where the option was not given.

    Raises:
        UserError: With both folders, or the file that stands where a folder should be.
    """
    given = {option: folder for option, folder in folders.items() if folder is not None}
    for option, folder in given.items():
        check_is_no_file(folder, option)
    for (one, first), (other, second) in combinations(given.items(), 2):
        if _within(first, second) or _within(second, first):
            raise UserError(
                f"{one} {first} and {other} {second} must be two folders, none inside the other: the files in them "
                "have the same names"
            )
    for option, folder in given.items():
        for name, data, holds_files in _data_folders(cfg):
            if _same(folder, data) or (holds_files and _within(folder, data)):
                raise UserError(
                    f"{option} {folder} is in the test data ({name} is {data}), whose files could be written over: "
                    "choose another folder"
                )


def check_work_dir(cfg: Config) -> None:
    """Refuses the config's own folder as the work folder: MMEngine writes the whole config there under the same name.

    Raises:
        UserError: With the file that would be lost.
    """
    if cfg.filename and _same(Path(cfg.work_dir, Path(cfg.filename).name), cfg.filename):
        raise UserError(
            f"work_dir {cfg.work_dir} is the folder of the config {cfg.filename}, which would be written over: choose "
            "another folder with --work-dir"
        )


def check_is_no_file(folder: str | os.PathLike, option: str) -> None:
    """Refuses a file, or the name of one, where a folder is to be written.

    Raises:
        UserError: The path is one of a file, or ends like one, as ``--out results.pkl`` of mmdet's tool does.
    """
    if Path(folder).suffix in FILE_ENDINGS and not Path(folder).is_dir():
        raise UserError(f"{option} {folder} has the name of a file, but a folder is written: leave out the ending")
    if Path(folder).exists() and not Path(folder).is_dir():
        raise UserError(f"{option} {folder} is a file, must be a folder")


def check_is_no_input(path: str | os.PathLike, option: str, inputs: Sequence[str | os.PathLike]) -> None:
    """Refuses to write a file over one that is read.

    Args:
        path: The file to write.
        option: How the user named it.
        inputs: Files that are read.

    Raises:
        UserError: The path is one of these.
    """
    for source in inputs:
        if _same(path, source):
            raise UserError(f"{option} {path} is the file {source} that is read: give the result another name")


def _data_folders(cfg: Config) -> Iterator[tuple[str, str, bool]]:
    """Name and path of each folder of the test data, and whether it is a folder of images or labels."""
    for dataset in iterate_datasets(cfg.get("test_dataloader")):
        root = dataset.get("data_root") or ""
        if root:
            yield "data_root", root, False
        for name, value in (dataset.get("data_prefix") or {}).items():
            if value and isinstance(value, str):
                yield f"data_prefix.{name}", os.path.join(root, value), True
        if dataset.get("ann_file"):
            yield "the folder of ann_file", os.path.dirname(os.path.join(root, dataset.ann_file)) or ".", False


def _same(one: str | os.PathLike, other: str | os.PathLike) -> bool:
    return Path(one).resolve() == Path(other).resolve()


def _within(one: str | os.PathLike, other: str | os.PathLike) -> bool:
    return Path(one).resolve().is_relative_to(Path(other).resolve())
