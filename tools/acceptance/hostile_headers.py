"""Changes of a safetensors file's header, and of its bytes."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from typing import Any

# What must come of a change: the same weights, a refusal, or either (None).
SAME, REFUSED = "converted", "refused"
Header = dict[str, Any]


def with_header(file: bytes, change: Callable[[Header], Any]) -> bytes:
    """The file with another header; ``change`` works on the header, or returns its text."""
    (length,) = struct.unpack("<Q", file[:8])
    header = json.loads(file[8 : 8 + length])
    changed = change(header)
    text = changed if isinstance(changed, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + file[8 + length :]


def entry(rng: random.Random, header: Header) -> tuple[str, Header]:
    """Name and entry of one weight."""
    names = [key for key in header if key.endswith(".weight") and header[key]["dtype"] == "F32"]
    name = rng.choice(names)
    return name, header[name]


def set_entry(key: str, *choices: Any) -> Callable[[random.Random, Header], None]:
    """A change of one part of an entry."""

    def change(rng: random.Random, header: Header) -> None:
        entry(rng, header)[1][key] = rng.choice(choices)

    return change


def other_offsets(rng: random.Random, header: Header) -> None:
    _, found = entry(rng, header)
    start, end = found["data_offsets"]
    found["data_offsets"] = rng.choice(
        [
            [end, start],
            [start, end + 4],
            [start - 4, end],
            [0, 4],
            [start, start],
            [-4, end],
            [2**63, 2**64 - 1],
            [start],
        ]
    )


def overlapping(rng: random.Random, header: Header) -> None:
    _, one = entry(rng, header)
    others = [v for v in header.values() if "data_offsets" in v and v["data_offsets"] != one["data_offsets"]]
    one["data_offsets"] = rng.choice(others)["data_offsets"]


def flattened(rng: random.Random, header: Header) -> None:
    shape = [1]
    while len(shape) < 2:
        _, found = entry(rng, header)
        shape = found["shape"]
    elements = 1
    for side in shape:
        elements *= side
    found["shape"] = rng.choice([[elements], [1, elements], [elements, 1, 1, 1, 1], [2, elements // 2, 1]])


def renamed(rng: random.Random, header: Header) -> None:
    name, found = entry(rng, header)
    del header[name]
    header[rng.choice([f"{name}\n", "x\ny", "\x1b[2J", "../x", "", "n" * 10_000, f"{name}.{name}", "0"])] = found


def renumbered(rng: random.Random, header: Header) -> None:
    name = next(key for key in header if ".layers.0." in key and key.endswith("weight"))
    header[name.replace(".0.", f".{rng.choice(['7', '999999', '9' * 50, '9' * 5000])}.", 1)] = header.pop(name)


def missing(rng: random.Random, header: Header) -> None:
    del header[entry(rng, header)[0]]


def twice(rng: random.Random, header: Header) -> bytes:
    name, found = entry(rng, header)
    return json.dumps(header).encode()[:-1] + f", {json.dumps(name)}: {json.dumps(found)}}}".encode()


def other_metadata(rng: random.Random, header: Header) -> None:
    header["__metadata__"] = rng.choice([{"format": "tf"}, {"a": "b\nc"}, {}])


def bad_metadata(rng: random.Random, header: Header) -> None:
    header["__metadata__"] = rng.choice([{"a": 1}, [1], "x", {"a": {"b": "c"}}])


def spaces(rng: random.Random, header: Header) -> bytes:
    return json.dumps(header).encode() + b" " * rng.choice([1, 8, 1000])


def deep(rng: random.Random, header: Header) -> bytes:
    return json.dumps(header).encode()[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


HEADERS: dict[str, tuple[Callable, str | None]] = {
    "dtype of other numbers": (set_entry("dtype", "I32", "U32", "F64", "BF16", "I64", "BOOL", "U8"), REFUSED),
    "no dtype": (set_entry("dtype", "F7", "", None, 3, ["F32"], {"F32": 1}), REFUSED),
    "shape": (set_entry("shape", [], [0], [1], [2**40], [2**63, 2], [-1], [1.5], "x", None, [[2]]), REFUSED),
    "flattened": (flattened, REFUSED),
    "offsets": (other_offsets, REFUSED),
    "overlapping": (overlapping, REFUSED),
    "no entry": (lambda rng, header: header.update({entry(rng, header)[0]: rng.choice([1, [], {}, None])}), REFUSED),
    "renamed": (renamed, REFUSED),
    "renumbered": (renumbered, REFUSED),
    "missing": (missing, REFUSED),
    "twice": (twice, None),
    "other metadata": (other_metadata, None),
    "bad metadata": (bad_metadata, None),
    "spaces": (spaces, SAME),
    "deep": (deep, REFUSED),
    "no mapping": (lambda rng, header: rng.choice([b"[]", b"{}", b"1", b"null", b'"x"', b""]), REFUSED),
}
BYTES: dict[str, tuple[Callable, str | None]] = {
    "length": (lambda rng, file: struct.pack("<Q", rng.choice([0, 1, 7, 2**31, 2**63, 2**64 - 1])) + file[8:], REFUSED),
    "truncated": (lambda rng, file: file[: rng.randrange(len(file))], REFUSED),
    "longer": (lambda rng, file: file + b"\0" * rng.choice([1, 4, 4096]), REFUSED),
    "flipped": (lambda rng, file: flipped(rng, file), None),
    "no utf-8": (
        lambda rng, file: with_header(file, lambda header: b'{"\xff": ' + json.dumps(header).encode() + b"}"),
        REFUSED,
    ),
}


def flipped(rng: random.Random, file: bytes) -> bytes:
    """One byte of the header is another."""
    (length,) = struct.unpack("<Q", file[:8])
    place = rng.randrange(8 + length)
    return file[:place] + bytes([rng.choice(b'{}[]",:09a\n\0\xff')]) + file[place + 1 :]
