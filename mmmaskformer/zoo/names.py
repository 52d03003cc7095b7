"""What a user means by the name of a model."""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.config import Config

from mmmaskformer.checkpoint.torch_files import BEGINNING, is_torch_file
from mmmaskformer.errors import UserError
from mmmaskformer.runs.config import find_config

from . import fetching, hub
from .addresses import mirror
from .cache import file_sums, locked, say
from .conversion import convert, converted_file
from .released import ReleasedModel, nearest, released_models

SUFFIXES = (".pth", ".pt", ".pkl", ".bin", ".safetensors", ".ckpt")
ModelName = str | os.PathLike


def find_model(
    config: ModelName | Config | None, checkpoint: ModelName | None
) -> tuple[ModelName | Config | None, str | None]:
    """Config and checkpoint of a model, whose weights may be given by name.

    Args:
        config: a config, or a config file; or, without a checkpoint, whatever :func:`find_checkpoint` takes.
        checkpoint: see :func:`find_checkpoint`.

    Returns:
        The config, None for the one that the checkpoint holds, and the checkpoint file, None where none was given.

    Raises:
        UserError: there are no weights of that name, or they cannot be fetched.
    """
    if checkpoint is not None:
        return config, find_checkpoint(checkpoint)
    if config is None or isinstance(config, Config) or _is_config_file(os.fspath(config)):
        return config, None
    return None, find_checkpoint(config)


def find_checkpoint(name: ModelName) -> str:
    """Return a checkpoint file that this package's tools load.

    Args:
        name: the name of a published model, which is that of a config, ``"maskformer_r50_ade20k"``; a model of Hugging
            Face's hub, ``"owner/name"`` or ``"owner/name@revision"``; a folder of such a model; a file ``.pkl`` of the
            release; or a checkpoint, which is returned as it is. The first four are converted once and kept in
            ``~/.cache/mmmaskformer``, or in the folder that ``MMMASKFORMER_CACHE`` names.

    Raises:
        UserError: no weights are published under the name, they cannot be fetched, or they are no MaskFormer's.
    """
    name = os.fspath(name)
    model = _named(name)
    if isinstance(model, ReleasedModel):
        return str(_released(model))
    if isinstance(model, hub.HubModel):
        return str(_from_hub(model))
    path = Path(name)
    if path.is_dir() or (path.is_file() and _is_pickle(path)):
        return str(_local(path))
    return name


def find_source(name: ModelName) -> tuple[Path, ReleasedModel | None]:
    """Return the files that a name stands for, before they are converted.

    Args:
        name: see :func:`find_checkpoint`.

    Returns:
        The file or folder, and which published model it is, if it was named as one.

    Raises:
        UserError: as above.
    """
    name = os.fspath(name)
    model = _named(name)
    if isinstance(model, ReleasedModel):
        with locked(model.name):
            return fetching.fetch(model)[0], model
    if isinstance(model, hub.HubModel):
        if folder := _in_mirror(model):
            return folder, None
        commit = hub.find_commit(model)
        with locked(model.label):
            return hub.fetch(model, commit)[0], None
    return Path(name), None


def _named(name: str) -> ReleasedModel | hub.HubModel | None:
    """Return the model that a name means; None for a path or an address.

    Raises:
        UserError: it can only be the name of a model, and there are no weights of it.
    """
    if name in released_models() and not os.path.isfile(name):  # a folder of results may have a config's name
        return released_models()[name]
    if "://" in name or os.path.exists(name) or name.endswith(SUFFIXES):
        return None
    owner, slash, _ = name.partition("/")
    if slash:
        return None if os.path.isdir(owner) else hub.hub_model(name)
    try:
        find_config(name)
    except UserError:
        raise UserError(f"there is no checkpoint and no published model {name}{nearest(name)}") from None
    raise UserError(
        f"no weights of {name} are published, only its config: give a checkpoint of your own{nearest(name)}"
    )


def _released(model: ReleasedModel) -> Path:
    digest = fetching.recorded_sum(model)
    if digest and (target := converted_file(model.name, digest)).is_file():
        return target
    with locked(model.name):
        source, digest = fetching.fetch(model)
        target = converted_file(model.name, digest)
        return target if target.is_file() else convert(source, target, model)


def _from_hub(model: hub.HubModel) -> Path:
    if folder := _in_mirror(model):
        return _local(folder)
    commit = hub.find_commit(model)
    say(f"{model.repo}: revision {commit}")
    digest = hub.recorded_sum(model, commit)
    if digest and (target := converted_file(model.label, digest)).is_file():
        return target
    with locked(model.label):
        source, digest = hub.fetch(model, commit)
        target = converted_file(model.label, digest)
        return target if target.is_file() else convert(source, target)


def _in_mirror(model: hub.HubModel) -> Path | None:
    """Return the model's folder in a mirror folder; None without such a mirror."""
    source = mirror()
    if not isinstance(source, Path):
        return None
    folder = source / model.repo
    if not folder.is_dir():
        raise UserError(f"{model.repo}: {folder} is no folder with the model's config.json and weights")
    return folder


def _local(path: Path) -> Path:
    """Return a file or folder of others, converted."""
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    wanted = [file for file in files if path.is_file() or file.suffix in (".json", *SUFFIXES)]
    sums = {file.name: file_sums(file, "sha256")[0] for file in wanted}
    if not sums:
        raise UserError(f"{path} is no folder of a Hugging Face model: it has no config.json")
    digest = sums[path.name] if path.is_file() else hub.digest(sums)
    target = converted_file(path.stem, digest)
    if target.is_file():
        return target
    with locked(path.stem):
        if target.is_file():
            return target
        say(f"converting {path} to {target}")
        model = _published(path)
        if model:
            fetching.say_license(model)
        return convert(path, target, model)


def _published(path: Path) -> ReleasedModel | None:
    """Return the published model that a file is, by its name and md5."""
    model = next((model for model in released_models().values() if model.file == path.name), None)
    same = model is not None and file_sums(path, "md5")[0].startswith(model.md5_prefix)
    return model if same else None


def _is_pickle(path: Path) -> bool:
    """Whether it is a file of the release, by its content."""
    with open(path, "rb") as file:
        start = file.read(BEGINNING)
    return start[:1] == b"\x80" and not is_torch_file(start)


def _is_config_file(name: str) -> bool:
    return name.endswith(".py") or "::" in name
