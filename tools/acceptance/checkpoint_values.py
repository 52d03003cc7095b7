"""Random contents of checkpoints, how to write them, and how to compare what was read with them."""

from __future__ import annotations

import io
import pickle
from collections import Counter, OrderedDict
from random import Random
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

NUMPY_DTYPES = ("?", "i1", "u1", "i2", "<u4", ">i4", "i8", "f2", "f4", ">f8", "c8", "c16", "S5", "U3")
TORCH_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16)
TORCH_DTYPES += (torch.uint8, torch.int8, torch.bool, torch.complex64, torch.float8_e4m3fn, torch.uint16)
PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray, np.dtype, torch.dtype, torch.device, torch.Size)


def random_array(random: Random) -> np.ndarray:
    """An array of any dtype that a checkpoint may have, also empty, of no dimension, or in Fortran's order."""
    dtype = np.dtype(random.choice(NUMPY_DTYPES))
    shape = [random.randint(0 if random.random() < 0.1 else 1, 4) for _ in range(random.randint(0, 3))]
    numbers = np.array([random.randint(0, 99) for _ in range(int(np.prod(shape)))], np.int64)
    array = np.asarray(numbers.reshape(shape)).astype(dtype)
    return np.asfortranarray(array) if random.random() < 0.3 else array


def random_tensor(random: Random) -> torch.Tensor:
    """A tensor of any dtype: whole, a view of a larger one, expanded, empty, with gradients, or a parameter."""
    dtype = random.choice(TORCH_DTYPES)
    shape = [random.randint(1, 4) for _ in range(random.randint(0, 3))]
    tensor = torch.tensor([random.randint(0, 9) for _ in range(int(np.prod(shape)))]).reshape(shape).to(dtype)
    kind = random.choice(("whole", "part", "turned", "expanded", "empty", "gradient", "parameter"))
    if kind == "part" and shape:
        return tensor[:, 1:] if len(shape) > 1 else tensor[1:]
    if kind == "turned":
        return tensor.permute(list(reversed(range(len(shape)))))
    if kind == "expanded":
        return tensor[None].expand(3, *shape)
    if kind == "empty":
        return tensor[None][:0]
    if kind == "gradient" and dtype.is_floating_point:
        return tensor.requires_grad_()
    return torch.nn.Parameter(tensor, dtype.is_floating_point) if kind == "parameter" else tensor


def random_value(random: Random, tensors: bool, depth: int = 0) -> Any:
    """A number, a text, an array or a container of these; with ``tensors`` what MMEngine's checkpoints have as well."""
    leaves = [
        lambda: random.choice((None, True, False, -1, 255, 1 << 40, -(1 << 70), 0.5, float("inf"), 2 + 3j)),
        lambda: random.choice(("", "text", "Grüße\n", "x" * 300, b"", b"\x00\xff", bytearray(b"abc"))),
        lambda: random_array(random),
        lambda: np.dtype(random.choice(NUMPY_DTYPES)).type(random.randint(0, 9)),
        lambda: {random.randint(0, 9), "a", (1, "b")},
        lambda: frozenset({1.5, None}),
        lambda: Counter("hello"),
    ]
    if tensors:
        history = [random.random() for _ in range(random.randint(0, 5))]
        leaves += [
            *[lambda: random_tensor(random)] * 4,
            lambda: HistoryBuffer(history, [1] * len(history)),
            lambda: random.choice((torch.Size([2, 3]), torch.float16, torch.device("cuda", 1), torch.device("cpu"))),
            lambda: torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict(),
        ]
    if depth > 3 or random.random() < 0.5:
        return random.choice(leaves)()
    inside = [random_value(random, tensors, depth + 1) for _ in range(random.randint(0, 4))]
    if random.random() < 0.3:
        return random.choice((list, tuple))([*inside, *inside])
    keys = random.sample(("model", "state_dict", 3, 1.5, "meta", True, (1, 2), b"k"), len(inside))
    return random.choice((dict, OrderedDict))(zip(keys, inside))


def to_pickle(value: Any, protocol: int) -> bytes:
    """As Detectron2 writes it."""
    return pickle.dumps(value, protocol)


def to_torch(value: Any, legacy: bool, protocol: int = 2) -> bytes:
    """As ``torch.save`` writes it."""
    buffer = io.BytesIO()
    torch.save(value, buffer, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def same(found: Any, truth: Any) -> bool:
    """Whether two values are equal in value, type and dtype."""
    if type(found) is not type(truth):
        return False
    if isinstance(truth, torch.Tensor):
        if found.dtype != truth.dtype or found.shape != truth.shape or found.requires_grad != truth.requires_grad:
            return False
        return found.stride() == truth.stride() and _bytes(found) == _bytes(truth)
    if isinstance(truth, np.ndarray | np.generic):
        return found.dtype == truth.dtype and found.shape == truth.shape and found.tobytes() == truth.tobytes()
    if isinstance(truth, HistoryBuffer):
        return all(map(same, found.data, truth.data)) and found.max_length == truth.max_length
    if isinstance(truth, dict):
        metadata = [getattr(value, "_metadata", None) for value in (found, truth)]
        return list(found) == list(truth) and all(same(found[key], truth[key]) for key in truth) and same(*metadata)
    if isinstance(truth, list | tuple):
        return len(found) == len(truth) and all(map(same, found, truth))
    return found == truth


def find_foreign(value: Any) -> str | None:
    """The type of something in a value that is no plain data; looks at every entry, so that a bad pointer crashes."""
    pending, seen = [value], set()
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if type(value) in (torch.Tensor, torch.nn.Parameter):
            _bytes(value)
        elif type(value) is np.ndarray or isinstance(value, np.generic):
            if value.dtype.kind not in "biufcSU":
                return f"an array of {value.dtype}"
            value.tolist()
        elif type(value) is HistoryBuffer:
            pending += [*value.data, dict(vars(value), _statistics_methods=None, statistics_methods=None)]
        elif type(value) in (dict, OrderedDict, Counter):
            pending += [*value, *value.values(), *getattr(value, "__dict__", {}).values()]
        elif type(value) in (list, tuple, set, frozenset):
            pending += value
        elif not isinstance(value, PLAIN):
            return str(type(value))
    return None


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
