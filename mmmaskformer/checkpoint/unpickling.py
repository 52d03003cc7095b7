"""Reading pickles without running them: numbers, text and arrays in plain containers, and nothing else.

``pickle.Unpickler`` with a ``find_class`` of our own would not do. It sets attributes of the objects that it was given,
hashes tuples of any depth (which overflows the C stack) and reserves the memory that a length in the file asks for.
``torch.load(weights_only=True)`` would not do either: what it needs for MMEngine's files has to be in torch's safe
globals, which the whole process shares, and NumPy's own functions for pickles believe what a file says.

So the standard library's ``pickletools`` decodes the opcodes, and the stack is kept here. A name in a file is looked up
in a closed table. Nothing is imported, no NumPy or torch function for pickles is called, and no object gets attributes.
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from .plain import Budget, Known, Refused, Standin, Unbuilt, check_containers, check_keys, pairs, printable

LARGE = 1 << 20  # bytes of an array
LARGEST_INTEGER = 256  # bits; the state of a random generator has 128
MOST_ARGUMENTS = 8  # of what makes an array
FORGOTTEN = Standin()


class BoundedFile:
    """A file that is never asked for more bytes than it has.

    Args:
        file: to be read from where it stands.
        size: where it ends.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.left = file, size - file.tell()

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes; memory is reserved for those that are there."""
        data = self.file.read(min(count, self.left))
        self.left -= len(data)
        return data

    def readline(self) -> bytes:
        """Return the rest of a line."""
        data = self.file.readline()
        self.left -= len(data)
        return data


def as_versions(metadata: Any) -> dict:
    """Return what PyTorch keeps beside the weights: a dict by the names of modules.

    Raises:
        Refused: it is something else.
    """
    if type(metadata) not in (dict, OrderedDict):
        raise Refused("it holds weights whose _metadata is no dict")
    return metadata


def is_large(value: Any) -> bool:
    """Whether a value is the bytes of a large array, or the arguments with them."""
    if type(value) is tuple:
        return len(value) <= MOST_ARGUMENTS and any(
            type(part) in (str, bytes, bytearray) and len(part) >= LARGE for part in value
        )
    return type(value) in (str, bytes, bytearray) and len(value) >= LARGE


class PlainUnpickler:
    """Reads one pickle.

    Args:
        file: to be read from where it stands.
        names: values, or :class:`Known` functions, by ``module.name``. All other names are refused.
        budget: shared by the pickles of a file.
        persistent_load: makes what a persistent id means; without it they are refused.
    """

    def __init__(
        self,
        file: BinaryIO | BoundedFile,
        names: Mapping[str, Any],
        budget: Budget,
        persistent_load: Callable[[Any], Any] | None = None,
    ) -> None:
        self._file, self._names, self._budget, self._persistent_load = file, names, budget, persistent_load
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._memoized: dict[int, list[int]] = {}  # where in the memo some values are, by their ids

    def load(self) -> Any:
        """Return the content.

        Raises:
            Refused: it asks for anything but plain data.
            Exception: it is damaged; which exception depends on the damage.
        """
        for opcode, argument, _ in pickletools.genops(self._file):
            action = ACTIONS.get(opcode.name)
            if action is None:
                raise Refused(f"it asks for pickle's operation {opcode.name}")
            action(self, argument)
        (content,) = self._stack
        check_containers(content, self._budget.size)
        return content

    def push(self, value: Any) -> None:
        """Return a value that pickletools has decoded."""
        if type(value) is int and value.bit_length() > LARGEST_INTEGER:
            raise Refused(f"it holds an integer of {value.bit_length()} bits")
        self._stack.append(value)

    def empty(self, kind: type) -> None:
        """Return a new container, which takes more memory than its one byte in the file."""
        self._budget.charge(256)
        self._stack.append(kind())

    def mark(self, _: None) -> None:
        """Begins a group of values."""
        self._marked.append(self._stack)
        self._stack = []

    def group(self) -> list[Any]:
        """End a group."""
        values, self._stack = self._stack, self._marked.pop()
        return values

    def grouped(self, kind: Callable[[list[Any]], Any]) -> None:
        """Return a container of a group."""
        self._budget.charge(256)
        values = self.group()  # first: it brings back the stack below
        self._stack.append(kind(values))

    def last(self, count: int) -> None:
        """Return a tuple of the last values."""
        values = [self._stack.pop() for _ in range(count)]
        self._budget.charge(64)
        self._stack.append(tuple(reversed(values)))

    def put(self, index: int | None) -> None:
        """Remembers the last value."""
        index = len(self._memo) if index is None else index
        value = self._memo[index] = self._stack[-1]
        if isinstance(value, Unbuilt) or is_large(value):
            self._memoized.setdefault(id(value), []).append(index)

    def get(self, index: int) -> None:
        """Repeats a value that was remembered."""
        self._stack.append(self._memo[index])

    def extend(self, values: list[Any]) -> None:
        """Put values into the list, set or dict that is last on the stack."""
        target = self._stack[-1]
        if type(target) is list:
            target.extend(values)
        elif type(target) is set:
            target.update(check_keys(values, self._budget))
        elif type(target) in (dict, OrderedDict):
            target.update(pairs(values, self._budget))
        else:
            raise Refused(f"it puts values into an object of type {type(target).__name__}")

    def look_up(self, name: str) -> None:
        """Return what a name stands for."""
        if name not in self._names:
            raise Refused(f"it asks for {printable(name)}")
        self._stack.append(self._names[name])

    def stack_global(self, _: None) -> None:
        """Return the same, of two texts on the stack."""
        name, module = self._stack.pop(), self._stack.pop()
        if type(name) is not str or type(module) is not str:
            raise Refused("it asks for a name that is no text")
        self.look_up(f"{module}.{name}")

    def call(self, _: None) -> None:
        """Lets a known name make a value of its arguments."""
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, Known) or function.make is None or type(arguments) is not tuple:
            what = function.name if isinstance(function, Known) else f"an object of type {type(function).__name__}"
            raise Refused(f"it asks for a call of {what}")
        self._budget.charge(128)
        self._stack.append(function.make(self._budget, *arguments))
        self.forget(arguments)

    def forget(self, used: Any) -> None:
        """Frees the bytes of large arrays. No pickler refers to them again, and the memo would keep them to the end."""
        if type(used) is tuple and is_large(used):
            for value in filter(is_large, (used, *used)):
                for index in self._memoized.pop(id(value), ()):
                    self._memo[index] = FORGOTTEN

    def build(self, _: None) -> None:
        """Give an unbuilt value its content, and an OrderedDict the versions that PyTorch keeps beside the weights."""
        state, value = self._stack.pop(), self._stack[-1]
        if isinstance(value, Unbuilt):
            built = self._stack[-1] = value.build(self._budget, state)
            for index in self._memoized.pop(id(value), ()):
                self._memo[index] = built
            self.forget(state)
        elif type(value) is OrderedDict and type(state) is dict and list(state) == ["_metadata"]:
            value._metadata = as_versions(state["_metadata"])
        else:
            raise Refused(f"it asks to set attributes of an object of type {type(value).__name__}")

    def persistent(self, _: None) -> None:
        """Return what a persistent id stands for."""
        if self._persistent_load is None:
            raise Refused("it asks for persistent ids")
        self._stack.append(self._persistent_load(self._stack.pop()))


def _actions() -> dict[str, Callable[[PlainUnpickler, Any], Any]]:
    read = PlainUnpickler
    values = "INT LONG LONG1 LONG4 BININT BININT1 BININT2 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE"
    values += " SHORT_BINUNICODE BINUNICODE BINUNICODE8 SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8"
    constants = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
    empty = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
    return {
        **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda self, _: None),
        **dict.fromkeys(values.split(), read.push),
        **{name: lambda self, _, value=value: self.push(value) for name, value in constants.items()},
        **{name: lambda self, _, kind=kind: self.empty(kind) for name, kind in empty.items()},
        **{f"TUPLE{count}": lambda self, _, count=count: self.last(count) for count in (1, 2, 3)},
        **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), read.put),
        **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), read.get),
        "MARK": read.mark,
        "POP": lambda self, _: self._stack.pop(),
        "POP_MARK": lambda self, _: self.group(),
        "DUP": lambda self, _: self._stack.append(self._stack[-1]),
        "LIST": lambda self, _: self.grouped(list),
        "TUPLE": lambda self, _: self.grouped(tuple),
        "DICT": lambda self, _: self.grouped(lambda values: dict(pairs(values, self._budget))),
        "FROZENSET": lambda self, _: self.grouped(lambda values: frozenset(check_keys(values, self._budget))),
        "APPEND": lambda self, _: self.extend([self._stack.pop()]),
        "SETITEM": lambda self, _: self.extend([self._stack.pop(), self._stack.pop()][::-1]),
        **dict.fromkeys(("APPENDS", "SETITEMS", "ADDITEMS"), lambda self, _: self.extend(self.group())),
        "GLOBAL": lambda self, name: self.look_up(name.replace(" ", ".", 1)),
        "STACK_GLOBAL": read.stack_global,
        "REDUCE": read.call,
        "NEWOBJ": read.call,
        "BUILD": read.build,
        "BINPERSID": read.persistent,
    }


ACTIONS = _actions()
