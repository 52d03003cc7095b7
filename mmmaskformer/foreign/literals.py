"""Configs that are data: assignments of literals and ``dict(...)``, read without running them, and written.

MMEngine's config files are Python programs, which it runs. What is accepted here is the part of Python in which a
config can be written down: ``NAME = VALUE``, where a value is a string, a finite number, True, False, None, a list, a
tuple or a dict of such values, the last as ``{...}`` or as ``dict(...)`` with keywords.
"""

from __future__ import annotations

import ast
import keyword
import math
import warnings
from collections.abc import Mapping
from typing import Any

from mmmaskformer.errors import UserError

from .values import shown

LARGEST = 512 << 10  # characters; of our configs and those of mmseg and mmdet none has more than a tenth of it
DEEPEST = 40
MOST_VALUES = 50_000
LONGEST_NUMBER = 1 << 63
WIDTH = 120


class _NotLiteral(Exception):
    """Says in one line what is no literal, and where."""


def parse(text: str, where: str) -> dict[str, Any]:
    """Return the assignments of a config's text.

    Args:
        text: of the config.
        where: the file that it is from, for messages.

    Returns:
        Values by name.

    Raises:
        UserError: the text is too large, no Python, or anything else than assignments of literals.
    """
    if len(text) > LARGEST:
        raise UserError(f"{where} is longer than {LARGEST >> 10} thousand characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in strings, with a line of the text
            module = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise UserError(f"{where} is no Python: {str(error) or type(error).__name__}") from error
    reader, found = _Reader(text), {}
    try:
        for statement in module.body:
            name = _assigned(statement)
            if name in found:
                raise _NotLiteral(f"line {statement.lineno} sets {name} a second time")
            found[name] = reader.value(statement.value, 0)
    except _NotLiteral as error:
        raise UserError(f"{where} is not made of literals and dict(...) alone: {error}") from error
    return found


def emit(values: Mapping[str, Any], where: str) -> str:
    """Python text with an assignment for each value, which :func:`parse` reads back.

    Args:
        values: by name.
        where: what they are of, for messages.

    Raises:
        UserError: a value is not of the kinds that literals have.
    """
    for name in values:
        if not _is_keyword_argument(name):
            raise UserError(f"{where} has {shown(name)}, which is no name of Python")
    text = "".join(
        f"{name} = {_write(value, 0, len(name) + 3, f'{where}: {name}')}\n" for name, value in values.items()
    )
    if not same(parse(text, where), dict(values)):
        raise RuntimeError(f"{where} was written as something else: this is a defect of {__name__}")
    return text


def comment(text: str) -> str:
    """One line of a comment: what could end it, or what MMEngine would replace in it, is escaped."""
    return f"# {_escaped(ascii(text)[1:-1])}\n"


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal with all their types: 1, 1.0 and True are three, and so are a list and a tuple."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


class _Reader:
    """Values of syntax trees, with a limit on their number."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.count = 0

    def value(self, node: ast.expr, depth: int) -> Any:
        self.count += 1
        if self.count > MOST_VALUES:
            raise _NotLiteral(f"it has more than {MOST_VALUES} values")
        if depth > DEEPEST:
            raise _NotLiteral(f"line {node.lineno} is nested more than {DEEPEST} times")
        match node:
            case ast.Constant():
                return _constant(node, node.value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if (
                type(number) is not bool
            ):
                return -_constant(node, number)
            case ast.List(elts=items):
                return [self.value(item, depth + 1) for item in items]
            case ast.Tuple(elts=items):
                return tuple(self.value(item, depth + 1) for item in items)
            case ast.Dict():
                return self._display(node, depth)
            case ast.Call(func=ast.Name(id="dict"), args=[], keywords=words):
                return self._unique(node, [(word.arg, word.value) for word in words], depth)
            case ast.Call(func=ast.Name(id="dict"), args=[ast.Dict() as display], keywords=[]):
                return self._display(display, depth)  # how MMEngine writes keys that are no names
        raise _NotLiteral(f"line {node.lineno} has {shown(ast.get_source_segment(self.text, node))}")

    def _display(self, node: ast.Dict, depth: int) -> dict:
        keys = [None if key is None else self.value(key, depth + 1) for key in node.keys]
        for key in keys:
            if type(key) not in (str, int):
                raise _NotLiteral(f"line {node.lineno} has a dict with a key that is neither a string nor an integer")
        return self._unique(node, list(zip(keys, node.values)), depth)

    def _unique(self, node: ast.expr, pairs: list[tuple[Any, ast.expr]], depth: int) -> dict:
        found = {}
        for key, value in pairs:
            if key is None:
                raise _NotLiteral(f"line {node.lineno} unpacks a dict with **")
            if key in found:
                raise _NotLiteral(f"line {node.lineno} has a dict with {shown(key)} twice")
            found[key] = self.value(value, depth + 1)
        return found


def _assigned(statement: ast.stmt) -> str:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
    raise _NotLiteral(f"line {statement.lineno} is no assignment of one name")


def _constant(node: ast.expr, value: Any) -> Any:
    if type(value) not in (str, int, float, bool, type(None)):
        raise _NotLiteral(f"line {node.lineno} has {shown(value)}")
    if type(value) is int and abs(value) >= LONGEST_NUMBER:
        raise _NotLiteral(f"line {node.lineno} has an integer of more than 63 bits")
    if type(value) is float and not math.isfinite(value):
        raise _NotLiteral(f"line {node.lineno} has a number that is not finite")
    return value


def _write(value: Any, indent: int, column: int, where: str) -> str:
    """Return the literal: in one line where it fits into ``WIDTH`` from ``column`` on, else with one item per line."""
    flat, items, (left, right) = _parts(value, where)
    if not items or len(flat) + column < WIDTH:
        return flat
    inner, lines = indent + 4, []
    for prefix, item, place in items:
        lines.append(f"{' ' * inner}{prefix}{_write(item, inner, inner + len(prefix), place)},\n")
    return f"{left}\n{''.join(lines)}{' ' * indent}{right}"


def _parts(value: Any, where: str) -> tuple[str, list[tuple[str, Any, str]], tuple[str, str]]:
    """Return the literal in one line; and its items with what stands before each, between which brackets."""
    if isinstance(value, Mapping):
        plain = all(map(_is_keyword_argument, value))
        for key in value:
            if type(key) not in (str, int):
                raise UserError(f"{where} has the key {shown(key)}, must be a string or an integer")
        items = [(f"{k}=" if plain else f"{_scalar(k, where)}: ", v, f"{where}.{k}") for k, v in value.items()]
        brackets = ("dict(", ")") if plain else ("{", "}")
    elif isinstance(value, list | tuple):
        items = [("", item, f"{where}[{index}]") for index, item in enumerate(value)]
        brackets = ("[", "]") if isinstance(value, list) else ("(", ")")
    else:
        return _scalar(value, where), [], ("", "")
    comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
    inside = ", ".join(prefix + _parts(item, place)[0] for prefix, item, place in items)
    return f"{brackets[0]}{inside}{comma}{brackets[1]}", items, brackets


def _scalar(value: Any, where: str) -> str:
    if type(value) is str:
        return _escaped(repr(value))
    if value is None or type(value) in (bool, int) or (type(value) is float and math.isfinite(value)):
        return repr(value)
    raise UserError(f"{where} is {shown(value)}, which cannot be written as a literal")


def _escaped(literal: str) -> str:
    # MMEngine replaces {{ NAME }} and {{ $VARIABLE:default }} in the text of a config, also within strings.
    return literal.replace("{{", "{\\x7b")


def _is_keyword_argument(name: Any) -> bool:
    # Python normalizes other alphabets, and takes __debug__ for a constant.
    return (
        type(name) is str
        and name.isascii()
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and name != "__debug__"
    )
