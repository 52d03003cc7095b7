"""Folders of Hugging Face models: which file a name stands for, and what an index of shards says."""

from __future__ import annotations

from pathlib import Path

from mmmaskformer.errors import UserError
from mmmaskformer.foreign import values
from mmmaskformer.foreign.json_text import read_json

MOST_SHARDS = 256
ENDINGS = (".safetensors", ".bin")


def file_within(folder: Path, name: str) -> Path | None:
    """Return the file of that name, if there is one, and it lies in the folder.

    Hugging Face's cache keeps files in ``models--OWNER--NAME/blobs``, and links to them in ``snapshots/REVISION`` next
    to it; such links are followed.

    Args:
        folder: of the model.
        name: of a file in it.

    Raises:
        UserError: the name is a link that leads out.
    """
    path = folder / name
    if not path.is_file():
        return None
    inside, real = folder.resolve(), path.resolve()
    if real.is_relative_to(inside):
        return path
    snapshots = inside.parent
    cache = snapshots.parent
    if snapshots.name == "snapshots" and cache.name.startswith("models--") and real.is_relative_to(cache / "blobs"):
        return path
    raise UserError(f"{path} is a link out of its folder, to {real}: copy the file there if you trust it")


def read_index(path: Path) -> dict[str, str]:
    """Which shard each tensor is in.

    Raises:
        UserError: the index is not one, or names something else than files of weights beside it.
    """
    promised = values.mapping(read_json(path).get("weight_map"), f"{path}: weight_map")
    if not promised:
        raise UserError(f"{path}: weight_map is empty, must say which file each tensor is in")
    for key, name in promised.items():
        plain = isinstance(name, str) and Path(name).name == name and name.isprintable() and name.isascii()
        if not plain or "\\" in name or not name.endswith(ENDINGS):
            values.refuse(name, f"{path}: weight_map.{key}", "the name of a .safetensors or .bin file beside it")
    if len(shards := set(promised.values())) > MOST_SHARDS:
        raise UserError(f"{path} names {len(shards)} shards, must be at most {MOST_SHARDS}")
    return dict(promised)
