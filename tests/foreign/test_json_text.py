"""JSON of others is read whole and once, or refused in one line."""

from pathlib import Path

import pytest

from mmmaskformer.errors import UserError
from mmmaskformer.foreign.json_text import LARGEST, parse_json, read_json


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a": NaN}', "NaN is no number of JSON"),
        (b'{"a": -Infinity}', "-Infinity is no number of JSON"),
        (b'{"a": {"b": 1, "c": 2, "b": 3}}', "'b' is there twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "cannot be read: "),
        (b'{"a": 1', "cannot be read: "),
        (b"\xff\xfe", "cannot be read: "),
        (b"[1]", "holds a list, must hold an object"),
        (b" " * (LARGEST + 1), "is larger than 16 MB"),
    ],
    ids=range(9),
)
def test_what_is_no_sound_json_is_refused_in_one_line(text: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(text)
    with pytest.raises(UserError, match=f"config.json {message}|config.json .*{message}") as caught:
        read_json(tmp_path / "config.json")
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


def test_sound_json_is_read() -> None:
    assert parse_json('{"a": [1, 2.5, null, true, "x"]}', "x") == {"a": [1, 2.5, None, True, "x"]}
