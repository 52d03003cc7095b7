"""Changes of the text of a stored config, and of what else a checkpoint's ``meta`` says."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from foreign_cases import MODULE, Canary
from hostile_configs import REFUSED, SAME, Config


def statement(rng: random.Random, text: str, canary: Canary) -> str:
    line = rng.choice(
        [
            f"import {MODULE}",
            f"from {MODULE} import *",
            canary.code,
            f"x = {canary.code}",
            f"x = [y for y in ({canary.code},)]",
            f"x = (lambda: {canary.code})()",
            f"x = f'{{{canary.code}}}'",
            f"x: {canary.code} = 1",
            f"x = 1 if {canary.code} else 2",
            f"(y := {canary.code})",
            f"x, y = 1, {canary.code}",
            f"x = y = {canary.code}",
            f"model['x'] = {canary.code}",
            f"x = dict(**{canary.code})",
            f"x = dict([('a', {canary.code})])",
            f"x = {{**{canary.code}}}",
            f"x = [*{canary.code}]",
            f"x = {{{canary.code}: 1}}",
            f"x = 'a' @ {canary.code}",
            f"x = -{canary.code}",
            f"x = not {canary.code}",
            f"def x(y={canary.code}): pass",
            f"@{canary.code}\ndef x(): pass",
            f"class x({canary.code}): pass",
            f"if {canary.code}: pass",
            f"with {canary.code}: pass",
            f"del {canary.code}[0]",
            f"assert {canary.code}",
            f"for x in {canary.code}: pass",
            f"try: {canary.code}\nexcept: pass",
            f"x += {canary.code}",
            f"dict = {canary.code}",
            "x = b'bytes'",
            "x = 1j",
            "x = ...",
            "x = {1, 2}",
            "x = 1e999",
            "x = 9223372036854775808",
            "x = " + "9" * 5000,
            "x = inf",
            "x = model",
            "x = 1 + 2",
            "x = dict(a=1, a=2)",
            "x = {'a': 1, 'a': 2}",
            "x = {None: 1}",
            "x = 1\nx = 2",
            "x = set()",
            "'''a docstring'''",
        ]
    )
    lines = text.splitlines()
    lines.insert(rng.randrange(len(lines) + 1), line)
    return "\n".join(lines)


def nested(rng: random.Random, text: str, canary: Canary) -> str:
    times = rng.choice([41, 150, 1000, 100_000])
    left, right = rng.choice(
        [("[", "]"), ("(", ",)"), ("{1:", "}"), ("dict(a=", ")"), ("-", ""), ("not ", ""), ("1+", "")]
    )
    return f"{text}\nx = {left * times}1{right * times}"


def large(rng: random.Random, text: str, canary: Canary) -> str:
    return text + rng.choice(["x = [" + "1," * 60_000 + "]", "x = '" + "y" * (600 << 10) + "'", "#" * (600 << 10)])


def cut(rng: random.Random, text: str, canary: Canary) -> str:
    return text[: rng.randrange(len(text.rpartition("test_pipeline")[0]))]


def harmless_text(rng: random.Random, text: str, canary: Canary) -> str:
    return rng.choice([f"# {canary.code}\n", "\n\n", "x = '{{ fileDirname }}'\n", "x = dict({'a b': -1})\n"]) + text


def no_text(rng: random.Random, text: str, canary: Canary) -> Any:
    return rng.choice(
        [3, ["model = 1"], dict(model=1), True, "x", "model = dict(", "\0", "a = '\ud800'", "model = 1", "[]"]
    )


TEXTS: dict[str, tuple[Callable, str | None]] = {
    "statement": (statement, REFUSED),
    "nested": (nested, REFUSED),
    "large": (large, REFUSED),
    "cut": (cut, REFUSED),
    "harmless text": (harmless_text, SAME),
    "no text": (no_text, REFUSED),
}


def no_config(rng: random.Random, meta: Config, canary: Canary) -> None:
    del meta["cfg"]


def bad_classes(rng: random.Random, meta: Config, canary: Canary) -> None:
    key = rng.choice(["classes", "palette", "thing_classes", "stuff_classes"])
    meta["dataset_meta"][key] = rng.choice(
        [
            "abc", 3, True, [1, 2, 3], ["a", "b", "c\nd"], ["a", "b", ""], ["a", "b", "\x1b[2J"], ["a", "b", "x" * 501],
            ["a"] * 70_000, [["a"], "b", "c"], [[0, 0, 256]] * 3, [[0, 0]] * 3, [[0.5, 0, 0]] * 3, [["0", 0, 0]] * 3,
            {"a": 1}, [math.nan] * 3, [[True, 0, 0]] * 3,
        ]
    )  # fmt: skip


def other_classes(rng: random.Random, meta: Config, canary: Canary) -> None:
    classes = ["a", "b", "c"]
    meta["dataset_meta"] = rng.choice(
        [
            {},
            None,
            dict(classes=["a", "b"]),
            dict(classes=[canary.code, "{{ x }}", "\xe4"]),
            dict(x=canary.code),
            dict(classes=None),
            dict(classes=classes, palette=[[0, 0, 0]]),
            dict(classes=tuple(classes), palette=((1, 2, 3),) * 3),
        ]
    )


def bad_dataset_meta(rng: random.Random, meta: Config, canary: Canary) -> None:
    meta["dataset_meta"] = rng.choice([3, "x", ["classes"], True, {1: 2}])


METAS: dict[str, tuple[Callable, str | None]] = {
    "no config": (no_config, REFUSED),
    "bad classes": (bad_classes, REFUSED),
    "other classes": (other_classes, SAME),
    "bad dataset_meta": (bad_dataset_meta, REFUSED),
}
