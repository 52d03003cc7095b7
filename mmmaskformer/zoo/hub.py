"""Models of Hugging Face's hub, through ``huggingface_hub`` and in its cache."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

from mmmaskformer.checkpoint.formats import FOLDER_FILES, SHARDS
from mmmaskformer.checkpoint.hf_config import CONFIG, PREPROCESSOR
from mmmaskformer.checkpoint.hf_folders import read_index
from mmmaskformer.errors import UserError, printable
from mmmaskformer.files import atomic_open

from .addresses import MIRROR_VARIABLE, check_address, mirror
from .cache import cache_folder, file_sums, read_record, record, say
from .download import LARGEST

NAME = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[\w.-]+)(@(?P<revision>[\w./-]+))?", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
TIMEOUT = 30.0
SHOWN = 200  # characters of an error of theirs
LARGEST_JSON = 16 << 20  # bytes
ENDINGS = (".json", ".safetensors", ".bin")


@dataclass(frozen=True)
class HubModel:
    """A model's name on the hub.

    Attributes:
        repo: ``owner/name``.
        revision: a branch, a tag or a commit; None for the newest.
    """

    repo: str
    revision: str | None

    @property
    def label(self) -> str:
        """The name as a part of a file name."""
        return self.repo.replace("/", "--")


def hub_model(name: str) -> HubModel | None:
    """Return what ``owner/name`` or ``owner/name@revision`` means; None where the text is no such name."""
    found = NAME.fullmatch(name)
    return HubModel(found["repo"], found["revision"]) if found else None


def find_commit(model: HubModel) -> str:
    """Return the commit that the model's revision is now, or was when it was last fetched if there is no network.

    Raises:
        UserError: there is no such model, or neither network nor an earlier fetch.
    """
    if model.revision and COMMIT.fullmatch(model.revision) and recorded_sum(model, model.revision):
        return model.revision
    try:
        return _info(model, model.revision).sha
    except UserError:
        cached = _cached_commit(model)
        if cached is None:
            raise
        return cached


def recorded_sum(model: HubModel, commit: str) -> str | None:
    """sha256 over the sums of the model's files, as they were recorded when they were first fetched."""
    return digest(read_record(_record(model, commit)))


def fetch(model: HubModel, commit: str) -> tuple[Path, str]:
    """Return the folder with the model's files and a sha256 over their sums; the caller holds the lock.

    Only descriptions and weights are fetched: the ``.json`` files that are read, and ``.safetensors``, or ``.bin``
    where there are no ``.safetensors``.

    Raises:
        UserError: the model cannot be fetched, or a file is another than the hub says.
    """
    info = _info(model, commit)
    _say_license(model, info)
    siblings = {file.rfilename: file for file in info.siblings or ()}
    for name in siblings:
        if Path(name).is_absolute() or ".." in re.split(r"[/\\]", name) or not name.isprintable():
            raise UserError(f"{model.repo} lists the file {name!r}, which leads out of its folder: nothing was fetched")
    names = [name for name in (CONFIG, PREPROCESSOR) if name in siblings]
    if CONFIG not in names:
        raise UserError(f"{model.repo} is no model that can be read: it has no {CONFIG}")
    whole = next((name for name in (FOLDER_FILES[0], SHARDS[0], FOLDER_FILES[1], SHARDS[1]) if name in siblings), None)
    if whole is None:
        raise UserError(f"{model.repo} has no weights that can be read, none of {', '.join(FOLDER_FILES + SHARDS)}")
    names.append(whole)
    paths = _get(model, commit, names, siblings)
    if whole in SHARDS:
        shards = sorted(set(read_index(paths[whole]).values()))
        if missing := [name for name in shards if name not in siblings]:
            raise UserError(f"{model.repo}: {whole} names {missing[0]}, which the model does not have")
        paths |= _get(model, commit, shards, siblings)
    sums = {name: file_sums(path, "sha256")[0] for name, path in paths.items()}
    record(_record(model, commit), sums)
    with atomic_open(_note(model), "w", encoding="utf-8") as file:
        file.write(f"{commit}\n")
    return paths[CONFIG].parent, digest(sums)


def _get(model: HubModel, commit: str, names: Sequence[str], siblings: dict[str, Any]) -> dict[str, Path]:
    """Files by name, each compared with what the hub says of it."""
    for name in names:
        largest = LARGEST_JSON if name.endswith(".json") else LARGEST
        size = siblings[name].size
        if not isinstance(size, int) or not 0 < size <= largest or not name.endswith(ENDINGS):
            raise UserError(f"{model.repo}: {name} has {size} bytes, must have at least one and at most {largest}")
    paths = {}
    for name in names:
        with _one_line(model):
            endpoint = _endpoint()
            paths[name] = Path(huggingface_hub.hf_hub_download(model.repo, name, revision=commit, endpoint=endpoint))
        _compare(model, paths[name], siblings[name])
    return paths


def _compare(model: HubModel, path: Path, expected: Any) -> None:
    size = path.stat().st_size
    if expected.lfs is not None:
        found, said = file_sums(path, "sha256")[0], expected.lfs.sha256
    else:
        content = path.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        said = expected.blob_id
    if (size, found) != (expected.size, said):
        os.unlink(path.resolve())
        path.unlink(missing_ok=True)
        raise UserError(
            f"{model.repo}: {expected.rfilename} has {size} bytes and the checksum {found}, and the hub says "
            f"{expected.size} and {said}: the file was damaged on the way, or is another; it was deleted"
        )


def _info(model: HubModel, revision: str | None) -> Any:
    with _one_line(model):
        api = huggingface_hub.HfApi(endpoint=_endpoint())
        info = api.model_info(model.repo, revision=revision, files_metadata=True, timeout=TIMEOUT)
        if not COMMIT.fullmatch(info.sha or ""):
            raise UserError(f"{model.repo}: the hub names no commit")
        return info


def _cached_commit(model: HubModel) -> str | None:
    """Return the commit that was fetched last for the revision, if its files were recorded."""
    note = _note(model)
    commit = note.read_text(encoding="utf-8").strip() if note.is_file() else ""
    return commit if COMMIT.fullmatch(commit) and recorded_sum(model, commit) else None


def _say_license(model: HubModel, info: Any) -> None:
    license = getattr(info.card_data, "license", None) or "not said"
    say(f"{model.repo}: license {printable(str(license), SHOWN)}, see its page on the hub")


def _endpoint() -> str | None:
    """Return the mirror's address; None for the hub, or for what ``HF_ENDPOINT`` says."""
    source = mirror()
    endpoint = source if isinstance(source, str) else None
    check_address(endpoint or huggingface_hub.constants.ENDPOINT)
    return endpoint


def digest(sums: dict[str, str]) -> str | None:
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    return hashlib.sha256(text.encode()).hexdigest() if sums else None


def _record(model: HubModel, commit: str) -> Path:
    return cache_folder() / "hub" / f"{model.label}-{commit}.sha256"


def _note(model: HubModel) -> Path:
    """Where the last commit of the revision is noted, for use without a network."""
    revision = (model.revision or "main").replace("/", "--")
    return cache_folder() / "hub" / f"{model.label}@{revision}"


@contextmanager
def _one_line(model: HubModel) -> Iterator[None]:
    """Follows no redirect to http in the block, and turns errors into one line.

    Raises:
        UserError: whatever ``huggingface_hub`` raises.
    """

    def check(request: Any) -> None:
        check_address(str(request.url), endpoint)

    endpoint = _endpoint() or huggingface_hub.constants.ENDPOINT
    hooks = huggingface_hub.get_session().event_hooks["request"]  # of its one client
    hooks.append(check)
    try:
        yield
    except UserError:
        raise
    except GatedRepoError as error:
        raise UserError(f"{model.repo} asks for an agreement on its page, then for `hf auth login`") from error
    except RevisionNotFoundError as error:
        raise UserError(f"{model.repo} has no revision {model.revision}") from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"{model.repo} is no model on the hub, or a private one, which needs `hf auth login`"
        ) from error
    except Exception as error:  # of its HTTP library, whose name depends on the version
        reason = printable(" ".join(str(error).split()) or type(error).__name__, SHOWN)
        raise UserError(
            f"{model.repo}: cannot be fetched: {reason}; without a network, copy its {CONFIG}, {PREPROCESSOR} and "
            f"{FOLDER_FILES[0]} into a folder and give that folder as the checkpoint, or set {MIRROR_VARIABLE} to a "
            f"folder that has them in {model.repo}"
        ) from error
    finally:
        hooks.remove(check)
