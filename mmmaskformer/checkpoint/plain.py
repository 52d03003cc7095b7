"""What a file from elsewhere may hold: plain values, of which no file gets more than its size allows."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

DEEPEST = 100  # containers in one another; Python's own functions recurse over them
LARGEST_KEY = 64  # bits: hashes of larger integers can be made equal, which makes a dict slow
LONGEST_KEY = 16  # entries of a tuple that is a key
SHOWN = 100  # characters of a text from a file
CONTAINERS = (list, tuple, dict, set, frozenset, OrderedDict, Counter)
PLAIN = (
    "a checkpoint is read only if it holds nothing but arrays, tensors, numbers and text in lists, tuples and dicts; "
    "if you trust it, load it with torch.load(..., weights_only=False) and save its state_dict alone"
)


class Refused(Exception):
    """Says what a file asks for."""


class Standin:
    """What has a meaning while a pickle is read, and must not be in the result."""


class Known(Standin):
    """A function or class that a pickle may name.

    Args:
        name: as it is in the file.
        make: called in its place with the :class:`Budget` and the arguments in the file, which it must check. Without
            it, the name may only be an argument.
    """

    def __init__(self, name: str, make: Callable[..., Any] | None = None) -> None:
        self.name, self.make = name, make


class Unbuilt(Standin):
    """An object whose content comes later in the pickle."""

    def build(self, budget: Budget, state: Any) -> Any:
        """Return the finished value, from a ``state`` that must be checked."""
        raise NotImplementedError


class Budget:
    """Bounds the memory that a file can ask for beyond its own size.

    References make it easy to ask for one thing many times. So copies are charged, and what takes much more memory than
    it has bytes in the file.

    Args:
        size: of the file, in bytes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._left = 16 * size + (64 << 20)

    def charge(self, amount: int) -> None:
        """Take ``amount`` bytes off.

        Raises:
            Refused: not that many are left.
        """
        self._left -= amount
        if self._left < 0:
            raise Refused(f"it asks for much more memory than its {self.size} bytes")


def check_keys(values: Iterable[Any], budget: Budget) -> Iterable[Any]:
    """Lets values through that are safe to hash.

    Raises:
        Refused: one is not a number, a text or a short tuple of them.
    """
    for value in values:
        if type(value) is tuple and len(value) <= LONGEST_KEY:
            budget.charge(1 << 14)  # hashes of tuples can be made equal: no file gets many
            parts: tuple = value
        else:
            parts = (value,)
        for part in parts:
            if type(part) is int and part.bit_length() <= LARGEST_KEY:
                continue
            if isinstance(part, np.generic) and part.dtype.kind in "biufSU":
                continue
            if type(part) not in (str, bytes, float, bool, type(None)):
                raise Refused(f"it has an object of type {type(part).__name__} as the key of a dict or in a set")
        yield value


def pairs(values: list[Any], budget: Budget) -> Iterable[tuple[Any, Any]]:
    """Keys and values that follow one another.

    Raises:
        Refused: a key has no value, or cannot be a key.
    """
    if len(values) % 2:
        raise Refused("it has a key without a value")
    return zip(check_keys(values[::2], budget), values[1::2])


def check_containers(content: Any, size: int) -> None:
    """Look for what would harm those who walk over containers, or print them.

    Raises:
        Refused: a container is in itself, they are too deep, or references make them much larger than the file.
    """
    seen: dict[int, tuple[int, int]] = {}  # by id: how deep, and how many values if none were shared
    path = [[(content,), iter((content,)), 0, 1]]
    being_read = {id(path[0][0])}
    while path:
        container, values, _, _ = frame = path[-1]
        for value in values:
            if isinstance(value, Standin):
                raise Refused("it holds the name of a function or class, or half an object")
            if type(value) not in CONTAINERS:
                frame[3] += 1
            elif id(value) in seen:
                depth, count = seen[id(value)]
                frame[2], frame[3] = max(frame[2], depth), frame[3] + count
            elif id(value) in being_read:
                raise Refused("it holds a container that is in itself")
            else:
                being_read.add(id(value))
                path.append([value, iter(_children(value)), 0, 1])
                break
        else:
            path.pop()
            being_read.discard(id(container))
            seen[id(container)] = depth, count = frame[2] + 1, frame[3]
            if path:
                path[-1][2], path[-1][3] = max(path[-1][2], depth), path[-1][3] + count
        if len(path) + frame[2] > DEEPEST:
            raise Refused(f"it holds more than {DEEPEST} containers in one another")
        if frame[3] > (1 << 20) + 16 * size:
            raise Refused("its references make it much larger than its file")


def _children(container: Any) -> Iterable[Any]:
    if not isinstance(container, dict):
        return container
    return [*container.values(), *getattr(container, "__dict__", {}).values()]


def printable(text: Any) -> str:
    """Text or sizes from a file as a part of one line. Of other values the type: they may be endless when printed."""
    if type(text) is tuple and all(type(part) is int for part in text):
        text = str(text)
    elif not isinstance(text, str | Exception):
        text = f"an object of type {type(text).__name__}"
    text = str(text)
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:SHOWN])
    return shown + ("..." if len(text) > SHOWN else "")
