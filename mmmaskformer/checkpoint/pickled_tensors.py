"""The names that pickles of PyTorch's tensors use, and what is made in their place.

PyTorch's own functions let a tensor enlarge its storage, and reach over strides to wherever a file says. Here a tensor
is a view that lies inside a storage whose bytes are in the file.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from .plain import Budget, Known, Refused, Standin, printable

MOST_DIMENSIONS = 64
LARGEST = 1 << 62  # what PyTorch counts with
DTYPES = re.compile(r"bool|u?int(8|16|32|64)|b?float(16|32|64)|complex(32|64|128)|float8_\w+")
# What a storage is called in files. Quantized ones have no name here.
STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
}


class StorageKind(Standin):
    """The name of a storage, which says what its entries are."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class Storage(Standin):
    """The entries of one or more tensors.

    Args:
        untyped: where they are.
        dtype: of the entries, as the file says.
    """

    def __init__(self, untyped: torch.UntypedStorage, dtype: torch.dtype) -> None:
        self.untyped, self.dtype = untyped, dtype


def is_size(number: Any) -> bool:
    """Whether a value from a file is an integer that can be a size, a stride or an offset."""
    return type(number) is int and 0 <= number < LARGEST


def _sizes(numbers: Any) -> bool:
    return type(numbers) in (tuple, torch.Size) and len(numbers) <= MOST_DIMENSIONS and all(map(is_size, numbers))


def _view(
    budget: Budget, storage: Any, offset: Any, size: Any, stride: Any, dtype: torch.dtype | None = None
) -> Tensor:
    """``torch._utils._rebuild_tensor``: a view of a storage."""
    if not isinstance(storage, Storage):
        raise Refused("it holds a tensor without a storage")
    if not is_size(offset) or not _sizes(size) or not _sizes(stride) or len(size) != len(stride):
        raise Refused("it holds a tensor whose size, stride and offset are not sizes")
    dtype = dtype or storage.dtype
    count = math.prod(size)
    end = offset + 1 + sum((n - 1) * step for n, step in zip(size, stride)) if count else offset
    if end > storage.untyped.nbytes() // dtype.itemsize:
        raise Refused(f"it holds a tensor of size {printable(tuple(size))} that reaches over the end of its storage")
    budget.charge(1024 + count * dtype.itemsize)  # an expanded tensor has more entries than its storage
    return torch.empty(0, dtype=dtype, device=storage.untyped.device).set_(storage.untyped, offset, size, stride)


def _tensor(
    budget: Budget,
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any,
    metadata: Any = None,
) -> Tensor:
    """``torch._utils._rebuild_tensor_v2``."""
    _check_extras(requires_grad, hooks, metadata)
    return _view(budget, storage, offset, size, stride).requires_grad_(requires_grad)


def _tensor_of_dtype(
    budget: Budget,
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Tensor:
    """``torch._utils._rebuild_tensor_v3``: of dtypes that have no storage of their own."""
    _check_extras(requires_grad, hooks, metadata)
    if not isinstance(dtype, torch.dtype) or dtype is torch.bool:
        raise Refused("it holds a tensor of a dtype that has a storage of its own")
    return _view(budget, storage, offset, size, stride, dtype).requires_grad_(requires_grad)


def _parameter(budget: Budget, data: Any, requires_grad: Any, hooks: Any) -> nn.Parameter:
    """``torch._utils._rebuild_parameter``."""
    _check_extras(requires_grad, hooks, None)
    if type(data) is not Tensor:
        raise Refused("it holds a parameter of what is no tensor")
    return nn.Parameter(data, requires_grad)


def _check_extras(requires_grad: Any, hooks: Any, metadata: Any) -> None:
    if type(requires_grad) is not bool:
        raise Refused("it holds a tensor that does not say whether it has gradients")
    if not (hooks is None or (type(hooks) is OrderedDict and not hooks)):
        raise Refused("it holds a tensor with hooks")
    if metadata:
        raise Refused("it holds a tensor that is marked as conjugated or negated; save it after resolve_conj()")


def _size(budget: Budget, numbers: Any) -> torch.Size:
    if not _sizes(numbers):
        raise Refused("it holds a torch.Size of what are no sizes")
    return torch.Size(numbers)


def _device(budget: Budget, kind: Any, index: Any = None) -> torch.device:
    if type(kind) is not str or not re.fullmatch("[a-z]+", kind) or not (index is None or is_size(index)):
        raise Refused("it holds a torch.device that is none")
    return torch.device(kind) if index is None else torch.device(kind, index)


TENSORS: dict[str, Any] = {
    **{
        f"torch.{name}": value
        for name, value in vars(torch).items()
        if isinstance(value, torch.dtype) and DTYPES.fullmatch(name)
    },
    **{f"torch.{name}": StorageKind(dtype) for name, dtype in STORAGES.items()},
    "torch.storage.UntypedStorage": StorageKind(torch.uint8),
    **{
        known.name: known
        for known in (
            Known("torch._utils._rebuild_tensor", _view),
            Known("torch._utils._rebuild_tensor_v2", _tensor),
            Known("torch._utils._rebuild_tensor_v3", _tensor_of_dtype),
            Known("torch._utils._rebuild_parameter", _parameter),
            Known("torch.Size", _size),
            Known("torch.device", _device),
        )
    },
}
