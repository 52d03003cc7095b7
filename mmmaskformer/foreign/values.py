"""Checks of single values from files of others: type and range, with one line that names the place and the value."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NoReturn

import numpy as np

from mmmaskformer.errors import UserError

LONGEST_NAME = 500  # characters; the longest name of ADE20K-Full has 117
MOST_CLASSES = 65_536  # what a label map of 16 bits can hold


def whole(value: Any, where: str, low: int, high: int) -> int:
    """Return an integer in low..high; a boolean is none.

    Args:
        value: what the file says.
        where: the file and the place in it, for the message.
        low, high: the smallest and the largest value that is accepted.

    Raises:
        UserError: it is anything else.
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and low <= value <= high:
        return int(value)
    refuse(value, where, f"a whole number from {low} to {high}")


def number(value: Any, where: str, low: float, high: float) -> float:
    """Return a finite number in low..high, integer or not; a boolean is none.

    Raises:
        UserError: it is anything else.
    """
    if isinstance(value, Real) and not isinstance(value, bool) and low <= value <= high and math.isfinite(value):
        return int(value) if isinstance(value, Integral) else float(value)
    refuse(value, where, f"a number from {low:g} to {high:g}")


def numbers(value: Any, where: str, count: int, low: float, high: float) -> list[float]:
    """Return a list of ``count`` numbers in low..high.

    Raises:
        UserError: it is anything else.
    """
    values = _as_list(value)
    if values is None or len(values) != count:
        refuse(value, where, f"a list of {count} numbers")
    return [number(item, f"{where}[{index}]", low, high) for index, item in enumerate(values)]


def flag(value: Any, where: str) -> bool:
    """Return true or False.

    Raises:
        UserError: it is anything else.
    """
    if isinstance(value, bool):
        return value
    refuse(value, where, "true or false")


def one_of(value: Any, where: str, known: Sequence[Any]) -> Any:
    """One of the values in ``known``, with its type.

    Raises:
        UserError: it is anything else.
    """
    for item in known:
        if type(value) is type(item) and value == item:
            return item
    refuse(value, where, " or ".join(map(repr, known)))


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Return a mapping whose keys are strings.

    Raises:
        UserError: it is anything else.
    """
    if not isinstance(value, Mapping):
        refuse(value, where, "an object with names and values")
    for key in value:
        if not isinstance(key, str):
            refuse(key, f"{where}: a name", "a string")
    return value


def name(value: Any, where: str) -> str:
    """Return a string of one line, of 1 to :data:`LONGEST_NAME` characters, that can be printed.

    Raises:
        UserError: it is anything else.
    """
    if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable():
        return str(value)
    refuse(value, where, f"a name of 1 to {LONGEST_NAME} printable characters")


def names(value: Any, where: str) -> list[str]:
    """Return a list of names.

    Raises:
        UserError: it is anything else; a string is no list of its characters.
    """
    values = _as_list(value)
    if values is None or len(values) > MOST_CLASSES:
        refuse(value, where, f"a list of at most {MOST_CLASSES} names")
    return [name(item, f"{where}[{index}]") for index, item in enumerate(values)]


def colors(value: Any, where: str) -> list[list[int]]:
    """Return a list of red, green and blue, each in 0..255.

    Raises:
        UserError: it is anything else.
    """
    values = _as_list(value)
    if values is None or len(values) > MOST_CLASSES:
        refuse(value, where, f"a list of at most {MOST_CLASSES} colors")
    found = []
    for index, item in enumerate(values):
        parts = _as_list(item)
        if parts is None or len(parts) != 3:
            refuse(item, f"{where}[{index}]", "red, green and blue")
        found.append([whole(part, f"{where}[{index}]", 0, 255) for part in parts])
    return found


def refuse(value: Any, where: str, expected: str) -> NoReturn:
    """Raise the error of a value that is not what it must be.

    Raises:
        UserError: always.
    """
    raise UserError(f"{where} is {shown(value)}, must be {expected}")


def shown(value: Any) -> str:
    """Return a value for a message: short, however long or deep it is."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python does not write out integers of thousands of digits
        return f"a {type(value).__name__} too long to show"


def _as_list(value: Any) -> list | None:
    if isinstance(value, np.ndarray):
        return value.tolist() if 0 < value.ndim < 3 else None
    return list(value) if isinstance(value, list | tuple) else None


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel = 3
