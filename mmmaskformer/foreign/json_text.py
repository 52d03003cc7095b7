"""JSON of others: of bounded size, with finite numbers, and each name once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from mmmaskformer.errors import UserError

LARGEST = 16 << 20  # bytes; the index of a model in 256 shards has less than one


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        UserError: the file is too large or no JSON, or it holds something else than an object.
    """
    with open(path, "rb") as file:
        content = file.read(LARGEST + 1)
    return parse_json(content, str(path))


def parse_json(content: bytes | str, where: str) -> dict[str, Any]:
    """Return the object that a JSON text holds.

    Args:
        content: the text, in UTF-8 if it is bytes.
        where: the file, for messages.

    Raises:
        UserError: the text is too large or no JSON, or it holds something else than an object.
    """
    if len(content) > LARGEST:
        raise UserError(f"{where} is larger than {LARGEST >> 20} MB, which no description of a model is")
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except RecursionError as error:
        raise UserError(f"{where} cannot be read: it is nested too deeply") from error
    except ValueError as error:
        raise UserError(f"{where} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{where} holds a {type(value).__name__}, must hold an object with names and values")
    return value


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"{twice!r} is there twice")
    return found
