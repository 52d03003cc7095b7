"""Converts Hugging Face models whose safetensors header or index of shards was tampered with.

Each case changes the header of the one file, or the index of several, and calls ``tools/model_converters/convert.py``.
What says something else about the weights than they are must be refused in one line; the rest converts to the same
weights.
"""

from __future__ import annotations

import functools
import json
import os
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from foreign_cases import Context, check_refused, expect, main
from safetensors.torch import load, save
from small_models import BACKBONES, write_small_hf

from mmmaskformer.checkpoint.convert import to_ours
from mmmaskformer.checkpoint.reading import read_checkpoint

TOOL = "model_converters/convert.py"
INDEX = "model.safetensors.index.json"
SAME, REFUSED = "converted", "refused"
Header = dict[str, Any]


@functools.cache
def original(backbone: str) -> dict[str, bytes]:
    """The files of a sound model."""
    with tempfile.TemporaryDirectory() as folder:
        return {path.name: path.read_bytes() for path in write_small_hf(Path(folder), backbone).iterdir()}


@functools.cache
def sound_weights(backbone: str) -> dict[str, torch.Tensor]:
    """What it converts to."""
    with tempfile.TemporaryDirectory() as folder:
        return to_ours(read_checkpoint(write_small_hf(Path(folder), backbone))).weights


def case(context: Context) -> str:
    """One model, tampered with."""
    rng, folder = context.rng, context.folder
    backbone = rng.choice(list(BACKBONES))
    for name in ("hub", "out"):
        (folder / name).mkdir()
    files = dict(original(backbone))
    weights = files.pop("model.safetensors")
    for name, content in files.items():
        (folder / "hub" / name).write_bytes(content)
    kind, changes = rng.choice([("header", HEADERS), ("header", BYTES), ("index", INDEXES)])
    name = rng.choice(list(changes))
    change, expected = changes[name]
    if changes is INDEXES:
        change(rng, Shards(folder / "hub", weights))
    else:
        (folder / "hub" / "model.safetensors").write_bytes(
            change(rng, weights) if changes is BYTES else with_header(weights, functools.partial(change, rng))
        )
    outcome = context.call(TOOL, folder / "hub", folder / "out" / "ours.pth")
    found = REFUSED if outcome.status else SAME
    if found == REFUSED:
        check_refused(outcome, folder / "out")
    else:
        saved = torch.load(folder / "out" / "ours.pth", weights_only=True)["state_dict"]
        sound = sound_weights(backbone)
        expect(saved.keys() == sound.keys(), "other weights")
        expect(all(torch.equal(saved[key], value) for key, value in sound.items()), f"{name}: weights have changed")
    expect(expected in (None, found), f"{kind}: {name} is {found}, must be {expected}: {outcome.errors}")
    return f"{kind}: {found}"


# Headers ------------------------------------------------------------------------------------------------------------


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


# Indexes ------------------------------------------------------------------------------------------------------------


class Shards:
    """The model in three files, and their index.

    Args:
        folder: where the files are written; the index is written by :meth:`write`.
        file: the whole model.
    """

    def __init__(self, folder: Path, file: bytes) -> None:
        self.folder = folder
        weights = load(file)
        self.names = [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
        self.map = {key: self.names[place % 3] for place, key in enumerate(sorted(weights))}
        self.parts = {name: {k: weights[k] for k, shard in self.map.items() if shard == name} for name in self.names}

    def write(self, index: Any = None) -> None:
        """Writes the shards, and an index that says what ``index`` says, by default the truth."""
        for name, part in self.parts.items():
            (self.folder / name).write_bytes(save(part))
        text = json.dumps({"weight_map": self.map} if index is None else index) if not isinstance(index, bytes) else ""
        (self.folder / INDEX).write_bytes(index if isinstance(index, bytes) else text.encode())


def hostile_name(rng: random.Random, shards: Shards) -> None:
    """A file that is outside, reached by its name."""
    shards.write()
    moved = rng.choice(shards.names)
    outside = shards.folder.parent / moved
    os.rename(shards.folder / moved, outside)
    (shards.folder / "sub").mkdir()
    os.link(outside, shards.folder / "sub" / moved)
    names = [
        f"../{moved}",
        str(outside),
        f"sub/{moved}",
        f"./{moved}",
        ".",
        "..",
        "",
        "/",
        "sub",
        f"{moved}\0",
        f"{moved}\n",
    ]
    names += [
        3,
        None,
        ["x"],
        {"x": 1},
        True,
        f"sub\\{moved}",
        "config.json",
        "/dev/zero",
        "~/x",
        moved.upper(),
        "ä.bin",
    ]
    name = rng.choice(names)
    index = {"weight_map": {key: name if shard == moved else shard for key, shard in shards.map.items()}}
    (shards.folder / INDEX).write_text(json.dumps(index))


def link_out(rng: random.Random, shards: Shards) -> None:
    """A link that leads out of the folder."""
    shards.write()
    name = rng.choice([*shards.names, INDEX, "config.json", "preprocessor_config.json"])
    target = shards.folder.parent / "elsewhere"
    os.rename(shards.folder / name, target)
    (shards.folder / name).symlink_to(rng.choice([target, Path("..", "elsewhere")]))


def link_inside(rng: random.Random, shards: Shards) -> None:
    """A link to a file beside."""
    shards.write()
    name = rng.choice(shards.names)
    os.rename(shards.folder / name, shards.folder / "real")
    (shards.folder / name).symlink_to("real")


def in_two(rng: random.Random, shards: Shards) -> None:
    key = rng.choice(list(shards.map))
    for part in shards.parts.values():
        part[key] = torch.zeros(2)
    shards.write()


def promised_and_absent(rng: random.Random, shards: Shards) -> None:
    key = rng.choice(list(shards.map))
    del shards.parts[shards.map[key]][key]
    shards.write()


def unknown_key(rng: random.Random, shards: Shards) -> None:
    shards.map[rng.choice(["x", "a\nb", "class_predictor.bias2"])] = rng.choice(shards.names)
    shards.write()


def not_in_index(rng: random.Random, shards: Shards) -> None:
    del shards.map[rng.choice(list(shards.map))]
    shards.write()


def shard_gone(rng: random.Random, shards: Shards) -> None:
    shards.write()
    (shards.folder / rng.choice(shards.names)).unlink()


def broken_shard(rng: random.Random, shards: Shards) -> None:
    shards.write()
    path = shards.folder / rng.choice(shards.names)
    path.write_bytes(path.read_bytes()[: rng.randrange(1000)])


def no_map(rng: random.Random, shards: Shards) -> None:
    shards.write({"weight_map": rng.choice([[], {}, None, 1, "x", [["a", "b"]]])})


def no_index(rng: random.Random, shards: Shards) -> None:
    index = [b"", b"[]", b"{}", b"\xff", b"{" * 100_000, b'{"weight_map": {"a": NaN}}', b" " * (17 << 20)]
    index.append(b'{"weight_map": {"a": "' + shards.names[0].encode() + b'", "a": "b.bin"}}')
    shards.write(rng.choice(index))


def many_shards(rng: random.Random, shards: Shards) -> None:
    shards.write({"weight_map": {str(number): f"{number}.bin" for number in range(rng.choice([257, 10_000]))}})


INDEXES: dict[str, tuple[Callable, str | None]] = {
    "sound": (lambda rng, shards: shards.write(), SAME),
    "hostile name": (hostile_name, REFUSED),
    "link out": (link_out, REFUSED),
    "link inside": (link_inside, SAME),
    "in two shards": (in_two, REFUSED),
    "promised and absent": (promised_and_absent, REFUSED),
    "unknown key": (unknown_key, REFUSED),
    "not in the index": (not_in_index, REFUSED),
    "shard is gone": (shard_gone, REFUSED),
    "broken shard": (broken_shard, REFUSED),
    "no map": (no_map, REFUSED),
    "no index": (no_index, REFUSED),
    "many shards": (many_shards, REFUSED),
}

if __name__ == "__main__":
    main(case, __doc__.splitlines()[0])
