"""Detectron2's ``.pkl`` files: NumPy arrays in plain containers."""

from __future__ import annotations

import os
import pickle
from typing import Any

from mmmaskformer.errors import UserError

from .pickled_arrays import ARRAYS
from .plain import PLAIN, Budget, Refused, printable
from .unpickling import BoundedFile, PlainUnpickler

BEGINNING = 16  # bytes of a file that are shown


def load_pickle(path: str | os.PathLike) -> Any:
    """Return the content of a pickle of arrays and plain containers.

    Raises:
        UserError: it asks for anything else, which is refused before it is looked up; or it is cut off or no pickle.
    """
    size = os.path.getsize(path)
    try:
        with open(path, "rb") as file:
            return PlainUnpickler(BoundedFile(file, size), ARRAYS, Budget(size)).load()
    except Refused as error:
        raise UserError(f"{path} is refused: {error}, and {PLAIN}") from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle can make the unpickler raise anything
        raise UserError(f"{path} {_what_it_is(path)}: {printable(error) or type(error).__name__}") from error


def _what_it_is(path: str | os.PathLike) -> str:
    """Return what to say of a file that is no pickle that could be read."""
    with open(path, "rb") as file:
        start = file.read(BEGINNING)
    if start.startswith(pickle.PROTO):
        return "is not a whole pickle"
    return f"is no file of weights (it begins with {start!r}), or not a whole pickle"
