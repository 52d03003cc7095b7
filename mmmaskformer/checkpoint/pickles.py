"""Reading Detectron2's ``.pkl`` files: NumPy arrays in plain containers, and nothing that could run code."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np

from mmmaskformer.errors import UserError


def _bytes_of(text: str, encoding: str) -> bytes:
    """How older protocols write bytes: as ``_codecs.encode(text, "latin1")``."""
    return text.encode(encoding)


BEGINNING = 16  # bytes of a file that are shown

# All that a pickle may look up. NumPy rebuilds arrays and scalars with functions whose modules its major versions name
# differently; they are taken from NumPy itself, so that nothing is imported because a file says so.
_ARRAY = np.zeros(1)
_REBUILD = {
    "multiarray._reconstruct": _ARRAY.__reduce__()[0],
    "multiarray.scalar": _ARRAY[0].__reduce__()[0],
    "numeric._frombuffer": _ARRAY.__reduce_ex__(5)[0],
}
ALLOWED = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "collections.OrderedDict": OrderedDict,
    "_codecs.encode": _bytes_of,
    **{f"{core}.{name}": function for core in ("numpy.core", "numpy._core") for name, function in _REBUILD.items()},
}


class _Refused(Exception):
    """Names what a file asks for."""


class _ArraysOnly(pickle.Unpickler):
    """Numbers, strings, lists, dicts and tuples need no looking up; all else must be in ``ALLOWED``."""

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in ALLOWED:
            raise _Refused(f"{module}.{name}")
        return ALLOWED[f"{module}.{name}"]


def load_pickle(path: str | os.PathLike) -> Any:
    """The content of a pickle of arrays and plain containers.

    Raises:
        UserError: it asks for anything else, which is refused before it is looked up; or it is cut off or no pickle.
    """
    try:
        with open(path, "rb") as file:
            return _ArraysOnly(file, encoding="latin1").load()
    except _Refused as error:
        raise UserError(
            f"{path} is refused: it asks for {error}, and a checkpoint is read only if it holds nothing but arrays in "
            "lists, tuples and dicts"
        ) from error
    except Exception as error:  # a damaged pickle can make the unpickler raise anything
        raise UserError(f"{path} {_what_it_is(path)}: {str(error) or type(error).__name__}") from error


def _what_it_is(path: str | os.PathLike) -> str:
    """What to say of a file that is no pickle that could be read."""
    with open(path, "rb") as file:
        start = file.read(BEGINNING)
    if start.startswith(pickle.PROTO):
        return "is not a whole pickle"
    return f"is no file of weights (it begins with {start!r}), or not a whole pickle"
