"""Whether a data set's files are there, asked of the file system once a folder and not once a sample."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mmmaskformer.errors import UserError


def require_folder(owner: str, folder: str | os.PathLike, hint: str = "") -> None:
    """Refuse a folder that is not there.

    Args:
        owner: who asks, for the message.
        folder: the folder.
        hint: what else to say, for instance how to make it.

    Raises:
        UserError: there is no such folder.
    """
    if not Path(folder).is_dir():
        raise UserError(f"{owner}: folder {folder} does not exist{hint}")


def missing_files(paths: Sequence[str], folder: str | os.PathLike) -> list[int]:
    """Positions of the paths that are no files anywhere below ``folder``."""
    found = {
        os.path.normpath(os.path.join(root, name))
        for root, _, names in os.walk(folder, followlinks=True)
        for name in names
    }
    return [position for position, path in enumerate(paths) if os.path.normpath(path) not in found]
