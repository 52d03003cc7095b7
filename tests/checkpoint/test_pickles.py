"""Pickles of arrays are read, and nothing in them is run."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from mmmaskformer.checkpoint.pickles import load_pickle
from mmmaskformer.errors import UserError


class Runs:
    """What a hostile file says: call this with that."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_scalars_and_plain_containers_come_back(protocol: int, tmp_path: Path) -> None:
    content = {
        "model": OrderedDict(
            a=np.arange(6, dtype=np.float32).reshape(2, 3), b=np.float64(1.5), c=np.asfortranarray(np.eye(3))
        ),
        "others": [1, (2.5, "text"), {"three"} if protocol > 3 else None, b"bytes", None, True],
    }
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    found = load_pickle(path)
    assert found["others"] == content["others"]
    for key, value in content["model"].items():
        assert np.array_equal(found["model"][key], value) and found["model"][key].dtype == value.dtype


def test_names_of_the_other_major_version_of_numpy_are_understood(tmp_path: Path) -> None:
    data = pickle.dumps(np.arange(3), 2)
    other = data.replace(b"numpy._core", b"numpy.core") if b"_core" in data else data.replace(b"core", b"_core")
    (tmp_path / "weights.pkl").write_bytes(other)
    assert other != data
    assert load_pickle(tmp_path / "weights.pkl").tolist() == [0, 1, 2]


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
    sign, path = tmp_path / "was_here", tmp_path / "model.pkl"
    filled = [value.format(sign=str(sign)) if isinstance(value, str) else value for value in arguments]
    if function is getattr:
        filled[0] = "numpy"
    path.write_bytes(pickle.dumps({"model": {"a": np.ones(2), "b": Runs(function, *filled)}}))
    with pytest.raises(UserError, match=f"refused: it asks for .*{named}.*nothing but arrays"):
        load_pickle(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_truncated_pickle_and_no_pickle_are_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    whole = pickle.dumps({"model": {"a": np.ones(200)}})
    for part in (whole[: len(whole) // 2], whole[:20]):
        path.write_bytes(part)
        with pytest.raises(UserError, match="model.pkl is not a whole pickle"):
            load_pickle(path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(UserError, match=r"is no file of weights \(it begins with b'<html>not found<'\)"):
        load_pickle(path)
