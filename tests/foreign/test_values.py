"""Single values of files of others: the right type in the right range, or one line."""

import math
from typing import Any

import numpy as np
import pytest

from mmmaskformer.errors import UserError
from mmmaskformer.foreign import values


@pytest.mark.parametrize("value", [True, 1.0, "1", None, -1, 11, 10**400, math.nan, [1], np.bool_(True)])
def test_a_whole_number_is_neither_boolean_nor_float_nor_out_of_range(value: Any) -> None:
    with pytest.raises(UserError, match=r"f\.json: x is .*, must be a whole number from 0 to 10"):
        values.whole(value, "f.json: x", 0, 10)


@pytest.mark.parametrize("value", [True, "0.5", None, -0.1, 1.1, 10**400, math.nan, math.inf, {"a": 1}])
def test_a_number_is_finite_and_in_range(value: Any) -> None:
    with pytest.raises(UserError, match="x is .*, must be a number from 0 to 1"):
        values.number(value, "x", 0, 1)


def test_numbers_of_numpy_are_numbers() -> None:
    assert values.whole(np.int64(3), "x", 0, 10) == 3 and type(values.whole(np.uint8(3), "x", 0, 10)) is int
    assert values.number(np.float32(0.5), "x", 0, 1) == 0.5 and type(values.number(1, "x", 0, 1)) is int


@pytest.mark.parametrize("value", [[1, 2], [1, 2, 3, 4], "123", 1, None, [1, 2, "3"], {0: 1, 1: 2, 2: 3}])
def test_a_list_of_numbers_has_the_length_that_it_must_have(value: Any) -> None:
    with pytest.raises(UserError, match=r"x(\[2\])? is"):
        values.numbers(value, "x", 3, 0, 10)


@pytest.mark.parametrize(
    "value", ["abc", ["a", "b\nc"], ["a", ""], ["a", 1], ["a" * 501], ["\x1b[2J"], ["\ud800"], 3, ["a"] * 70_000]
)
def test_names_are_a_list_of_strings_that_can_be_printed(value: Any) -> None:
    with pytest.raises(UserError, match=r"^classes(\[\d\])? is .*, must be a (list of at most|name of)"):
        values.names(value, "classes")


def test_names_may_be_of_any_alphabet() -> None:
    assert values.names(("straße", "道路", "a, b"), "x") == ["straße", "道路", "a, b"]


@pytest.mark.parametrize("value", [[[0, 0]], [[0, 0, 256]], [[0, 0, 0.5]], [[True, 0, 0]], ["abc"], "random", 3])
def test_colors_are_three_bytes_each(value: Any) -> None:
    with pytest.raises(UserError, match=r"^palette(\[0\])? is"):
        values.colors(value, "palette")


def test_colors_may_be_an_array() -> None:
    assert values.colors(np.zeros((2, 3), np.uint8), "palette") == [[0, 0, 0]] * 2


def test_one_of_tells_true_from_1() -> None:
    assert values.one_of(1, "x", (1, 2)) == 1
    with pytest.raises(UserError, match="x is True, must be 1 or 2"):
        values.one_of(True, "x", (1, 2))


def test_a_value_is_shown_shortly() -> None:
    for value in ("x" * 10**6, [[[[[1]]]]] * 1000, {str(n): n for n in range(1000)}, 10**5000):
        assert len(values.shown(value)) < 500


def test_a_message_with_a_strangers_name_in_it_is_one_line() -> None:
    error = UserError("the key a\nb\x1b[2J\ud800 is unknown")
    assert str(error) == r"the key a\nb\x1b[2J\ud800 is unknown"
    assert len(str(UserError("x" * 10**6))) < 3000
