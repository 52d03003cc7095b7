"""The folder of fetched and converted models, the checksums in it, and locks."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mmmaskformer.errors import UserError
from mmmaskformer.files import atomic_open

CACHE_VARIABLE = "MMMASKFORMER_CACHE"
BLOCK = 1 << 20  # bytes that are hashed at once
SUM = re.compile(r"([0-9a-f]{64})  (\S+)")


def cache_folder() -> Path:
    """``~/.cache/mmmaskformer``, or the folder that ``MMMASKFORMER_CACHE`` names."""
    return Path(os.environ.get(CACHE_VARIABLE) or "~/.cache/mmmaskformer").expanduser()


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Lets one process at a time work on a model, and prepares the cache folder.

    Args:
        name: of the model, a file name.

    Raises:
        UserError: the cache folder cannot be written.
    """
    folder = cache_folder() / "locks"
    lock = FileLock(folder / f"{name}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting for another process that prepares {name}")
        lock.acquire()
    except OSError as error:
        raise cannot_write(error) from error
    try:
        yield
    finally:
        lock.release()


def cannot_write(error: OSError) -> UserError:
    """Return the error to raise where the cache folder cannot be written."""
    reason = error.strerror or type(error).__name__
    return UserError(f"cannot write to the cache folder {cache_folder()}: {reason}; set {CACHE_VARIABLE} to another")


def say(text: str) -> None:
    """Print a message for the user to stderr, so that the output of a tool stays as it is."""
    print(text, file=sys.stderr, flush=True)


def file_sums(path: Path, *names: str) -> list[str]:
    """Checksums of a file in hex.

    Args:
        path: the file, which is read once.
        names: of hashlib's algorithms.
    """
    hashes = [hashlib.new(name, usedforsecurity=False) for name in names]
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            for each in hashes:
                each.update(block)
    return [each.hexdigest() for each in hashes]


def read_record(path: Path) -> dict[str, str]:
    """Return the sha256 of each file that :func:`record` wrote; empty where nothing was recorded.

    Raises:
        UserError: the file holds something else.
    """
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [SUM.fullmatch(line) for line in lines]
    if not found or not all(found):
        raise UserError(f"{path} is no list of sha256 sums: delete it, to record the sums anew")
    return {match[2]: match[1] for match in found}


def record(path: Path, sums: Mapping[str, str]) -> None:
    """Write sha256 sums in the format of ``sha256sum``, or compares them with those that were recorded before.

    Args:
        path: the record.
        sums: sha256 in hex, by file name.

    Raises:
        UserError: other sums were recorded.
    """
    known = read_record(path)
    if not known:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
        return
    for name in sorted(known.keys() | sums.keys()):
        if known.get(name) != sums.get(name):
            raise UserError(
                f"{name} has the sha256 {sums.get(name)}, and {known.get(name)} was recorded when it was first "
                f"fetched: the file is damaged or was replaced; if it was replaced on purpose, delete {path}"
            )
