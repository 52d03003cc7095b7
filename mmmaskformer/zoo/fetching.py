"""The release's published files: fetched once, checked, and kept in the cache."""

from __future__ import annotations

import shutil
from pathlib import Path

from mmmaskformer.errors import UserError

from .addresses import MIRROR_VARIABLE, locate
from .cache import cache_folder, cannot_write, file_sums, read_record, record, say
from .download import LARGEST, Unreachable, download
from .released import LICENSE, ReleasedModel


def stored_file(model: ReleasedModel) -> Path:
    """Where the published file is kept."""
    return cache_folder() / "release" / model.file


def recorded_sum(model: ReleasedModel) -> str | None:
    """Return the published file's sha256 as it was recorded when it was first fetched."""
    return read_record(_record(model)).get(model.file)


def fetch(model: ReleasedModel) -> tuple[Path, str]:
    """Return the published file and its sha256; the caller holds the lock.

    The md5 in the file's name finds damage, not attacks. So the sha256 of the first fetch is recorded, and compared
    whenever the file is read or fetched again.

    Raises:
        UserError: it cannot be fetched, or is another file than the published one.
    """
    path = stored_file(model)
    say_license(model)
    if path.is_file():
        try:
            return path, _check(path, model)
        except UserError as error:
            raise UserError(f"{error}; to fetch the file again, delete {path}") from error
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _bring(model, path, part)
        try:
            digest = _check(part, model)
        except UserError:
            part.unlink()
            raise
        part.replace(path)
    except OSError as error:
        raise cannot_write(error) from error
    return path, digest


def say_license(model: ReleasedModel) -> None:
    """Print what the weights may be used for."""
    say(f"{model.name}: weights of the paper's release, license {LICENSE}")


def _bring(model: ReleasedModel, path: Path, part: Path) -> None:
    """Download or copies the file to ``part``."""
    source = locate(model.url)
    try:
        if isinstance(source, str):
            say(f"fetching {source}")
            download(source, part, model.file)
            return
        if not source.is_file():
            raise Unreachable("no such file")
    except Unreachable as error:
        raise UserError(
            f"{model.name}: cannot fetch {source}: {error}; without a network, download {model.url} on another machine "
            f"and save it as {path}, or set {MIRROR_VARIABLE} to an address or a folder that has {model.file}"
        ) from error
    if source.stat().st_size > LARGEST:
        raise UserError(f"{source} has more than {LARGEST} bytes, which no model of this kind has")
    shutil.copyfile(source, part)


def _check(path: Path, model: ReleasedModel) -> str:
    """Return the file's sha256, recorded."""
    md5, sha256 = file_sums(path, "md5", "sha256")
    if not md5.startswith(model.md5_prefix):
        raise UserError(
            f"{model.file} of {model.name} is damaged or another file: its md5 is {md5}, and must begin with "
            f"{model.md5_prefix}"
        )
    record(_record(model), {model.file: sha256})
    return sha256


def _record(model: ReleasedModel) -> Path:
    path = stored_file(model)
    return path.with_name(f"{path.name}.sha256")
