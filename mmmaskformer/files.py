"""Files: written whole or not at all, named where they cannot be decoded, and elsewhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .errors import UserError


@contextmanager
def atomic_open(path: str | os.PathLike, mode: str = "wb", *, sync: bool = False, **kwargs) -> Iterator[IO]:
    """Open a temporary file beside ``path`` and rename it to ``path`` once the block ended without an error.

    Args:
        path: The file to write; a link is followed, so that it stays a link.
        mode: ``"w"`` or ``"wb"``.
        sync: Whether to wait for the disk before the rename, so that a power cut does no harm either.
        **kwargs: Passed to :func:`open`, for instance ``encoding``.

    Yields:
        The open temporary file. An exception in the block removes it and leaves ``path`` as it was.

    Raises:
        ValueError: ``mode`` reads or appends, which a rename cannot do.
    """
    if mode not in ("w", "wb"):
        raise ValueError(f"atomic_open writes whole files: mode must be 'w' or 'wb', got {mode!r}")
    target = Path(os.path.realpath(path))
    # The ids keep ranks and threads that write the same name apart; the leading dot keeps it out of globs.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(temporary, mode, **kwargs) as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def decoding(what: str, path: Any) -> Iterator[None]:
    """Names the file where the block fails to decode an image.

    Args:
        what: what the file is, for the message: ``"image"`` or ``"label map"``.
        path: of the file.

    Raises:
        UserError: the file is damaged. A missing file keeps its own error.
    """
    import cv2

    try:
        yield
    except FileNotFoundError:
        raise
    # What OpenCV and Pillow raise on broken files, and MMCV's assertion on an image that came back empty.
    except (OSError, SyntaxError, AssertionError, cv2.error) as error:
        raise UserError(f"the {what} {path} cannot be decoded; is the file whole?") from error


def is_remote(backend_args: Mapping | None) -> bool:
    """Whether files come from a storage backend, to which their checks are left."""
    return bool(backend_args) and backend_args.get("backend") not in (None, "local")
