"""The names that pickles of NumPy's arrays and of Python's containers use, and what is made in their place.

An array of objects is an array of pointers, and NumPy's own functions for pickles take those, and the size of an entry,
from the file. Here a dtype is one of a few texts, and an array is bytes of exactly the right length.
"""

from __future__ import annotations

import math
import re
from collections import Counter, OrderedDict
from typing import Any

import numpy as np

from .plain import Budget, Known, Refused, Unbuilt, check_keys, pairs, printable

DTYPES = r"b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,9}"
MOST_DIMENSIONS = 32  # NumPy 2 has 64, NumPy 1 has 32
LAST_LETTER = 0x10FFFF  # of Unicode


class _Dtype(Unbuilt):
    """``numpy.dtype`` of a name; byte order and size come with the state."""

    def __init__(self, budget: Budget, name: Any, *copy_and_align: Any) -> None:
        if type(name) is not str or not re.fullmatch(DTYPES, name, re.ASCII):
            raise Refused(f"it asks for an array of the dtype {printable(name)}")
        self.dtype = np.dtype(name)

    def build(self, budget: Budget, state: Any) -> np.dtype:
        _, order, *rest = self.dtype.__reduce__()[2]
        if type(state) is not tuple or len(state) != 8 or state[1] not in ("<", ">", "|", "="):
            raise Refused(f"it describes the dtype {self.dtype} in another way than NumPy")
        if [type(part) for part in state[2:]] != [type(part) for part in rest] or list(state[2:]) != rest:
            raise Refused(f"it gives the dtype {self.dtype} fields, flags or a size that it does not have")
        return self.dtype if order == "|" else self.dtype.newbyteorder(state[1])


class _Array(Unbuilt):
    """``numpy.ndarray``, whose shape, dtype and bytes come with the state."""

    def __init__(self, budget: Budget, kind: Any, *empty: Any) -> None:
        if kind is not NDARRAY:
            raise Refused("it asks for an array of another class than numpy.ndarray")

    def build(self, budget: Budget, state: Any) -> np.ndarray:
        if type(state) is not tuple or len(state) != 5:
            raise Refused("it describes an array in another way than NumPy")
        _, shape, dtype, fortran, data = state
        return make_array(budget, data, dtype, shape, "F" if fortran else "C")


def make_array(budget: Budget, data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    """Return an array of its bytes, all of them from a file.

    Args:
        budget: is charged.
        data: the entries; text is how older protocols write bytes.
        dtype: must have been made here.
        shape: sizes, at most 32.
        order: ``"C"`` or ``"F"``.

    Raises:
        Refused: any of them is of a wrong kind, or they do not belong together.
    """
    if type(data) is str:
        data = data.encode("latin1")
    if type(data) not in (bytes, bytearray) or not isinstance(dtype, np.dtype):
        raise Refused("it holds an array that is not made of bytes and a dtype")
    if type(shape) is not tuple or len(shape) > MOST_DIMENSIONS or any(type(n) is not int or n < 0 for n in shape):
        raise Refused("it holds an array whose shape is not a tuple of sizes")
    count = math.prod(shape)
    if not dtype.itemsize or count * dtype.itemsize != len(data) or order not in ("C", "F"):
        raise Refused(f"it holds an array of shape {printable(shape)} and dtype {dtype} in {len(data)} bytes")
    budget.charge(len(data))
    if not count:
        return np.empty(shape, dtype)
    flat = np.frombuffer(data, dtype)
    _check_entries(flat)
    return flat.reshape(shape, order=order).copy(order="K")


def _check_entries(flat: np.ndarray) -> None:
    """Bytes that are no value of their dtype: NumPy adds up the bytes of a mask to count its entries."""
    if flat.dtype.kind == "b" and flat.view(np.uint8).max() > 1:
        raise Refused("it holds a boolean that is neither 0 nor 1")
    if flat.dtype.kind == "U" and flat.view(flat.dtype.str[0] + "u4").max() > LAST_LETTER:
        raise Refused("it holds a letter that is not in Unicode")


def _scalar(budget: Budget, dtype: Any, data: Any = None) -> np.generic:
    if isinstance(dtype, np.dtype) and not dtype.itemsize and data in ("", b""):
        return dtype.type()
    array = make_array(budget, data, dtype, (1,), "C")
    return array[0] if dtype.kind not in "SU" else _text(array)


def _text(array: np.ndarray) -> np.generic:
    """Return the entry of an array of texts, with the zeros at its end."""
    if array.dtype.kind == "S":
        return np.bytes_(array.tobytes())
    return np.str_(array.astype(array.dtype.newbyteorder("<")).tobytes().decode("utf-32-le", "surrogatepass"))


def _encode(budget: Budget, text: Any, encoding: Any) -> bytes:
    """How older protocols write bytes: as ``_codecs.encode(text, "latin1")``."""
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise Refused("it asks to encode what is no text, or not in latin1")
    budget.charge(len(text))
    return text.encode("latin1")


def _bytearray(budget: Budget, data: Any = b"", *encoding: Any) -> bytearray:
    data = _encode(budget, data, *encoding) if encoding else data
    if type(data) is not bytes:
        raise Refused("it asks for a bytearray of what is no bytes")
    budget.charge(len(data))
    return bytearray(data)


def _members(budget: Budget, values: Any) -> list[Any]:
    """Return the argument of a container, which is copied."""
    if type(values) not in (list, tuple):
        raise Refused("it asks for a container of what is no list")
    budget.charge(256 + 64 * len(values))
    return list(check_keys(values, budget))


def _ordered_dict(budget: Budget, items: Any = ()) -> OrderedDict:
    """Python 2 gives the entries as a list of lists."""
    if type(items) not in (list, tuple) or any(type(item) not in (list, tuple) or len(item) != 2 for item in items):
        raise Refused("it asks for an OrderedDict of what are no pairs")
    budget.charge(256 + 64 * len(items))
    return OrderedDict(pairs([value for item in items for value in item], budget))


def _counter(budget: Budget, counts: Any) -> Counter:
    if type(counts) is not dict or any(type(count) is not int for count in counts.values()):
        raise Refused("it asks for a Counter of what are no counts")
    budget.charge(256 + 64 * len(counts))
    return Counter(counts)


def _complex(budget: Budget, real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise Refused("it asks for a complex number of what are no numbers")
    return complex(real, imaginary)


class _Namespace(Unbuilt):
    """``argparse.Namespace``: many training scripts save their arguments. They become a dict."""

    def __init__(self, budget: Budget) -> None:
        pass

    def build(self, budget: Budget, state: Any) -> dict:
        if type(state) is not dict:
            raise Refused("it holds an argparse.Namespace without arguments")
        return state


def _bytes(budget: Budget) -> bytes:
    return b""  # as older protocols write it; others are encoded


NDARRAY = Known("numpy.ndarray")
# Python 2 and the protocols up to 2 say __builtin__. NumPy 1 and 2 have their functions in different modules.
BUILTINS = {
    "bytearray": _bytearray,
    "bytes": _bytes,
    "complex": _complex,
    "frozenset": lambda budget, values: frozenset(_members(budget, values)),
    "set": lambda budget, values: set(_members(budget, values)),
}
REBUILD = {
    "multiarray._reconstruct": _Array,
    "multiarray.scalar": _scalar,
    "numeric._frombuffer": make_array,
}
ARRAYS: dict[str, Known] = {
    known.name: known
    for known in (
        NDARRAY,
        Known("numpy.dtype", _Dtype),
        Known("_codecs.encode", _encode),
        Known("argparse.Namespace", _Namespace),
        Known("collections.OrderedDict", _ordered_dict),
        Known("collections.Counter", _counter),
        *(Known(f"{module}.{name}", make) for module in ("builtins", "__builtin__") for name, make in BUILTINS.items()),
        *(Known(f"{core}.{name}", make) for core in ("numpy.core", "numpy._core") for name, make in REBUILD.items()),
    )
}
