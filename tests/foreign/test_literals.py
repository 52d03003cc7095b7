"""Configs as data: what is written is read back, by us and by MMEngine, and nothing that could run is read."""

import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config

from mmmaskformer.errors import UserError
from mmmaskformer.foreign.literals import DEEPEST, LARGEST, comment, emit, parse, same

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["{{ fileDirname }}", "{{{$HOME:x}}}", "'\"\\\n", "\\{{", "import os"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(
            st.text() | st.integers(-5, 5) | st.sampled_from(["type", "class", "__debug__", "ﬁ", "a': 1, 'b"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(value=VALUES)
def test_every_literal_is_read_back_as_it_was(value: Any) -> None:
    found = parse(emit(dict(x=value), "x"), "x")["x"]
    assert same(found, value) and "{{" not in emit(dict(x=value), "x")


def test_mmengine_reads_what_is_written_and_replaces_nothing_in_it(tmp_path: Path) -> None:
    hostile = "{{ fileDirname }} {{$HOME:x}} '); import os"
    config = dict(
        model=dict(type="X", a=[1, (2, 3.5), (), (1,)], b={hostile: hostile, 1: None}, c=dict(), d=[dict(x=-1)] * 9),
        steps=[dict(name="a" * 50, other="b" * 50)] * 3,
    )
    (tmp_path / "config.py").write_text(comment(f"of\n{hostile}") + emit(config, "x"))
    assert Config.fromfile(tmp_path / "config.py").to_dict() == config


def test_a_comment_stays_a_comment_whatever_it_names() -> None:
    line = comment("x.pth\nimport os\r\x0c\u2028{{ fileDirname }}\ud800")
    assert line.count("\n") == 1 and line.endswith("\n") and line.isascii() and "{{" not in line
    assert parse(line, "x") == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, b"x", 1j, {1}, object(), Path("x"), print, {True: 1}, {(1,): 2}])
def test_what_is_no_literal_is_not_written_and_its_place_is_named(value: Any) -> None:
    with pytest.raises(UserError, match=r"the config: model\.parts\[1\] (is|has the key) "):
        emit(dict(model=dict(parts=[1, value])), "the config")


def test_a_name_that_is_no_name_is_not_written() -> None:
    for name in ("a b", "a=1; b", "class", "__debug__", "", "ﬁ", 3):
        with pytest.raises(UserError, match="which is no name of Python"):
            emit({name: 1}, "the config")


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "x = open('was_here', 'w')",
        "x = __import__('os')",
        "x = [y for y in (1,)]",
        "x = f'{1}'",
        "x = lambda: 1",
        "x = y",
        "x = 1 + 1",
        "x = y = 1",
        "x, y = 1, 2",
        "x.y = 1",
        "x: int = 1",
        "x = dict(**y)",
        "x = {**{}}",
        "x = dict([(1, 2)])",
        "x = dict({}, a=1)",
        "x = dict(a=1, a=2)",
        "x = {1: 1, 1: 2}",
        "x = 1\nx = 2",
        "x = {None: 1}",
        "x = {1}",
        "x = b''",
        "x = 1j",
        "x = ...",
        "x = 1e999",
        "x = 9223372036854775808",
        "x = -True",
        "x = +1",
        "x = not 1",
        "x = (y := 1)",
        "if 1: x = 1",
        "def x(): pass",
        "'a docstring'",
        "x = 1 if 1 else 2",
    ],
)
def test_what_is_more_than_literals_is_refused_without_being_run(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="the config is (not made of literals|no Python)") as caught:
        parse(text, "the config")
    assert "\n" not in str(caught.value) and not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * (DEEPEST + 2) + "]" * (DEEPEST + 2),
        "x = " + "(" * 100_000,
        "x = " + "-" * 100_000 + "1",
        "x = " + "1+" * 100_000 + "1",
        "x = a" + ".b" * 100_000,
        "x = [" + "1," * 60_000 + "]",
        "x = 'y" + "y" * LARGEST + "'",
        "x = " + "9" * 5000,
        "x = '\ud800'",
        "x = 1\0",
        "x = (",
    ],
    ids=range(11),
)
def test_what_is_too_large_or_too_deep_or_no_python_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^the config is .{1,300}$"):
        parse(text, "the config")


def test_mmengines_way_of_writing_keys_is_read() -> None:
    config = Config(dict(model={"a b": 1, "type": "x"}, values=[-1, -0.5, (1, 2)], nothing=None))
    assert parse(config.pretty_text, "x") == config.to_dict()
