"""What an exported file says about itself is checked before it is used."""

import json
from pathlib import Path
from typing import Any

import pytest

from mmmaskformer.errors import UserError
from mmmaskformer.export.runtime import parse_description

SOUND = dict(
    classes=["a", "b"], palette=[[0, 0, 0], [1, 2, 3]], num_things=1, outputs=["segment_map", "labels"], batch=None,
    size=[64, 96], resize=None, void=255, smallest_side=1, version="0.1.0",
)  # fmt: skip


def test_a_sound_description_is_kept() -> None:
    assert parse_description(json.dumps(SOUND), Path("x.onnx")) == SOUND


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", "ab"), ("classes", ["a", 1]), ("classes", ["a\nb"]), ("palette", [[0, 0]]), ("palette", "x"),
        ("num_things", 3), ("num_things", True), ("outputs", "labels"), ("outputs", ["labels", "../x"]), ("batch", 0),
        ("batch", 1.5), ("size", [64]), ("size", [64, 0]), ("size", [64, 10**9]), ("void", "x"), ("smallest_side", -1),
    ],
)  # fmt: skip
def test_a_value_that_is_not_what_it_must_be_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"the description in x\.onnx: {key}.* is .*, must be "):
        parse_description(json.dumps(SOUND | {key: value}), Path("x.onnx"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "was not written by tools/export.py"),
        ("{}", "the description in x.onnx lacks classes"),
        ("[]", "holds a list"),
        ("{", "cannot be read"),
        (json.dumps(SOUND).replace("255", "NaN"), "NaN is no number of JSON"),
    ],
)
def test_what_is_no_description_is_refused(text: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_description(text, Path("x.onnx"))
