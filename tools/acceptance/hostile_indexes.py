"""A model in several files, and changes of their index and names."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hostile_headers import REFUSED, SAME
from safetensors.torch import load, save

INDEX = "model.safetensors.index.json"


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
