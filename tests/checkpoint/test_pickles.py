"""Pickles of arrays are read, and nothing in them is run or believed."""

import os
import pickle
import struct
import tracemalloc
from argparse import Namespace
from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np
import pytest

from mmmaskformer.checkpoint.pickles import load_pickle
from mmmaskformer.errors import UserError

POINTERS = struct.pack("<2Q", 0x41414141, 0x42424242)
PLAIN_DTYPE = (3, "<", None, None, None, -1, -1, 0)


class Runs:
    """What a hostile file says: call this with that, and set this state."""

    def __init__(self, function, *arguments, state=None) -> None:
        self.call = (function, arguments, state)

    def __reduce__(self):
        return self.call


class FalseDtype(Runs):
    """A dtype whose state is not NumPy's."""

    def __init__(self, name, state) -> None:
        super().__init__(np.dtype, name, False, True, state=state)


def false_array(dtype, data=POINTERS, shape=(2,)) -> Runs:
    """An array as NumPy writes it, with a content of our own."""
    rebuild, arguments, _ = np.zeros(1).__reduce__()
    return Runs(rebuild, *arguments, state=(1, shape, dtype, False, data))


def written(folder: Path, content: object, protocol: int = 4) -> Path:
    """A file of content, or of bytes as they are."""
    path = folder / "model.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_scalars_and_plain_containers_come_back(protocol: int, tmp_path: Path) -> None:
    content = {
        "model": OrderedDict(
            a=np.arange(6, dtype=np.float32).reshape(2, 3),
            b=np.float64(1.5),
            c=np.asfortranarray(np.eye(3)),
            d=np.zeros((0, 3), ">i4"),
            e=np.array(["Grüße", ""]),
            f=np.array([b"a\0", b""]),
            g=np.array([[True], [False]]),
            h=np.array(1 + 2j),
            i=np.bytes_(b"x\0"),
            j=np.str_(""),
        ),
        "others": [1, -(1 << 70), (2.5, "text"), {"three"}, frozenset({(1, None)}), b"", b"\xff", bytearray(b"b"), 1j],
        "count": Counter("hello"),
    }
    found = load_pickle(written(tmp_path, content, protocol))
    assert found["others"] == content["others"] and found["count"] == content["count"]
    assert [type(value) for value in found["others"]] == [type(value) for value in content["others"]]
    for key, value in content["model"].items():
        assert np.array_equal(found["model"][key], value) and found["model"][key].dtype == value.dtype
        assert type(found["model"][key]) is type(value)
    found["model"]["a"][0] = 7  # arrays can be written to


def test_values_that_are_referred_to_twice_are_one_object(tmp_path: Path) -> None:
    array, text = np.ones(3), ["a"]
    found = load_pickle(written(tmp_path, [array, array, text, text]))
    assert found[0] is found[1] and found[2] is found[3]


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_several_arrays_of_many_bytes_come_back(protocol: int, tmp_path: Path) -> None:
    """Their bytes are forgotten on the way, and what is remembered after them keeps its place."""
    arrays = [np.full(1 << 18, n, np.float32) for n in range(3)]
    found = load_pickle(written(tmp_path, {"a": arrays, "b": [arrays[1], "x", "x"]}, protocol))
    assert all(map(np.array_equal, found["a"], arrays)) and found["b"][0] is found["a"][1]
    assert found["b"][1:] == ["x", "x"]


def test_names_of_the_other_major_version_of_numpy_are_understood(tmp_path: Path) -> None:
    data = pickle.dumps(np.arange(3), 2)
    other = data.replace(b"numpy._core", b"numpy.core") if b"_core" in data else data.replace(b"core", b"_core")
    assert other != data
    assert load_pickle(written(tmp_path, other)).tolist() == [0, 1, 2]


def test_the_arguments_that_training_scripts_save_become_a_dict(tmp_path: Path) -> None:
    found = load_pickle(written(tmp_path, {"args": Namespace(lr=0.1, names=["a"])}))
    assert found == {"args": {"lr": 0.1, "names": ["a"]}}


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.system, ("touch {sign}",), "system"),
        (eval, ("open({sign!r}, 'w')",), "builtins.eval"),
        (getattr, (np, "load"), "builtins.getattr"),
        (np.save, ("{sign}.npy", [1]), "numpy.*save"),
        (open, ("{sign}", "w"), "open"),
    ],
)
def test_a_pickle_that_calls_anything_is_refused_before_it_does(function, arguments, named, tmp_path: Path) -> None:
    sign = tmp_path / "was_here"
    filled = [value.format(sign=str(sign)) if isinstance(value, str) else value for value in arguments]
    if function is getattr:
        filled[0] = "numpy"
    path = written(tmp_path, {"model": {"a": np.ones(2), "b": Runs(function, *filled)}})
    with pytest.raises(
        UserError, match=f"refused: it asks for .*{named}.*nothing but arrays.*save its state_dict alone"
    ):
        load_pickle(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array([None, 1], dtype=object), "an array of the dtype O8"),
        (np.zeros(2, "V8"), "an array of the dtype V8"),
        (np.zeros(2, [("a", "f4")]), "an array of the dtype V4"),
        (np.zeros(2, "M8[s]"), "an array of the dtype M8"),
        (np.zeros(2, np.longdouble), "an array of the dtype f16"),
        (np.ma.masked_array([1]), "numpy.ma.core._mareconstruct"),
        (false_array(FalseDtype("O8", (3, "|", None, None, None, -1, -1, 63))), "an array of the dtype O8"),
        (false_array(FalseDtype("f8", (3, "|", None, None, None, 8, 8, 63))), "float64 fields, flags or a size"),
        (false_array(FalseDtype("f8", (3, "<", None, ("a",), {"a": 1}, 8, 8, 0))), "float64 fields, flags or a size"),
        (false_array(FalseDtype("f8", (3, "<", None, None, None, 1 << 30, -1, 0))), "float64 fields, flags or a size"),
        (false_array(np.dtype("f8"), shape=(3,)), r"an array of shape \(3,\) and dtype float64 in 16 bytes"),
        (false_array(np.dtype("f8"), shape=(1,)), "in 16 bytes"),
        (false_array(np.dtype("f8"), shape=(1 << 40,)), "in 16 bytes"),
        (false_array(np.dtype("f8"), shape=(-2,)), "shape is not a tuple of sizes"),
        (false_array(np.dtype("f8"), [None, None]), "not made of bytes"),
        (false_array(np.dtype("b1"), b"\0\2"), "a boolean that is neither 0 nor 1"),
        (false_array(np.dtype("U2"), POINTERS), "a letter that is not in Unicode"),
        (Runs(np.float64(1).__reduce__()[0], np.dtype("f8"), b"1234567"), "in 7 bytes"),
        (np.zeros(1).__reduce__()[0], "holds the name of a function"),
        (Runs(np.zeros(1).__reduce__()[0], np.ndarray, (1 << 40,), b"f"), "half an object"),
        (1 << 300, "an integer of 301 bits"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("protocol", [2, 4])
def test_an_array_that_is_not_what_it_says_is_refused(content, message: str, protocol: int, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"model.pkl is refused: .*{message}"):
        load_pickle(written(tmp_path, {"model": content}, protocol))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x04cnumpy\nndarray\n}X\x04\x00\x00\x00makeNsb.", "set attributes of an object of type Known"),
        (
            b"\x80\x04ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00items]sb.",
            "set attributes of an object of type OrderedDict",
        ),
        (b"\x80\x04ccollections\nOrderedDict\n)R}X\x09\x00\x00\x00_metadata]sb.", "_metadata is no dict"),
        (b"\x80\x04ccollections\nOrderedDict\n](NNe\x85R.", "of what are no pairs"),
        (b"\x80\x04)(NN\x90.", "puts values into an object of type tuple"),
        (b"\x80\x04(X\x01\x00\x00\x00acos\nsystem\no.", "asks for os.system"),
        (b"\x80\x04(icollections\nOrderedDict\n.", "pickle's operation INST"),
        (b"\x80\x04\x82\x01.", "pickle's operation EXT1"),
        (b"\x80\x04NQ.", "persistent ids"),
        (b"\x80\x04]q\x00h\x00a.", "a container that is in itself"),
        (b"\x80\x04" + b"]" * 101 + b"a" * 100 + b".", "more than 100 containers in one another"),
        (b"\x80\x04}" + b")" + b"\x85" * 100_000 + b"Ns.", "of type tuple as the key of a dict"),
        (b"\x80\x04\x8f(" + b"]" + b"\x90.", "of type list as the key of a dict or in a set"),
        (b"\x80\x04X\x01\x00\x00\x00\nX\x02\x00\x00\x00\x1b\n\x93.", r"asks for \?\.\?\?"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_pickle_that_no_pickler_writes_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, data)
    with pytest.raises(UserError, match=f"model.pkl is refused: .*{message}") as caught:
        load_pickle(path)
    assert "\n" not in str(caught.value)


def laughs(depth: int) -> list:
    value: list = ["ha"]
    for _ in range(depth):
        value = [value] * 10
    return value


BLOCK = b"B" + struct.pack("<I", 1 << 16) + bytes(1 << 16)  # which is then copied many times
COPY = b"cbuiltins\nbytearray\nh\x00\x85R"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps(laughs(20)), "references make it much larger than its file"),
        (b"\x80\x04(" + BLOCK + b"q\x00" + COPY * 3000 + b"l.", "asks for much more memory than its"),
        (b"\x80\x04(" + b"\x8f" * 400_000 + b"l.", "asks for much more memory than its"),
    ],
    ids=["laughs", "copies", "sets"],
)
def test_references_cannot_ask_for_much_more_than_the_file_has(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        load_pickle(written(tmp_path, data))


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"abc",
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abc",
        b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"abc",
        b"\x80\x02B" + struct.pack("<I", 0x7FFFFFFF) + b"abc",
        b"\x80\x02\x8b" + struct.pack("<I", 0x7FFFFFFF) + b"abc",
        b"\x80\x02I" + b"9" * 5000 + b"\n.",
        b"\x80\x02Nr\xff\xff\xff\xff",  # a place in the memo, not a length
    ],
)
def test_a_length_reserves_no_memory(data: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, data)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="is not a whole pickle"):
            load_pickle(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_truncated_pickle_and_no_pickle_are_said_to_be_so(tmp_path: Path) -> None:
    whole = pickle.dumps({"model": {"a": np.ones(200)}})
    for part in (whole[: len(whole) // 2], whole[:20]):
        with pytest.raises(UserError, match="model.pkl is not a whole pickle"):
            load_pickle(written(tmp_path, part))
    with pytest.raises(UserError, match=r"is no file of weights \(it begins with b'<html>not found<'\)"):
        load_pickle(written(tmp_path, b"<html>not found</html>"))
