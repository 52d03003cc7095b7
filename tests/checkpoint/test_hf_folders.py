"""Folders of Hugging Face models: files inside, links of its cache, and an index that keeps its promises."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mmmaskformer.checkpoint.formats import read_checkpoint
from mmmaskformer.checkpoint.hf_folders import file_within, read_index
from mmmaskformer.errors import UserError

INDEX = "model.safetensors.index.json"


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A model of three tensors in two files."""
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "maskformer"}')
    save_file({"a": torch.ones(2), "b": torch.zeros(1)}, folder / "one.safetensors")
    save_file({"c": torch.full((3,), 2.0)}, folder / "two.safetensors")
    write_index(folder, a="one.safetensors", b="one.safetensors", c="two.safetensors")
    return folder


def write_index(folder: Path, **weight_map: Any) -> None:
    (folder / INDEX).write_text(json.dumps(dict(metadata=dict(total_size=24), weight_map=weight_map)))


def test_shards_are_read_together(hub: Path) -> None:
    weights = read_checkpoint(hub).weights
    assert {key: value.tolist() for key, value in weights.items()} == {"a": [1, 1], "b": [0], "c": [2, 2, 2]}


@pytest.mark.parametrize(
    "name",
    ["../one.safetensors", "/etc/passwd", ".", "..", "", "sub/x.safetensors", "./one.safetensors", "x\\y.bin",
     "a\nb.bin", "config.json", "ä.bin", "x.bin\0", 3, None, ["x.bin"], {"x": 1}, True],
)  # fmt: skip
def test_an_index_may_name_files_of_weights_beside_it_alone(name: Any, hub: Path) -> None:
    write_index(hub, a=name, b="one.safetensors", c="two.safetensors")
    with pytest.raises(UserError, match=r"weight_map\.a is .*, must be the name of a \.safetensors or \.bin file"):
        read_checkpoint(hub)


@pytest.mark.parametrize(
    "content", [b"[]", b"{}", b'{"weight_map": []}', b'{"weight_map": {}}', b'{"weight_map": NaN}']
)
def test_an_index_that_is_none_is_refused(content: bytes, hub: Path) -> None:
    (hub / INDEX).write_bytes(content)
    with pytest.raises(UserError, match=f"{INDEX}"):
        read_checkpoint(hub)


def test_the_number_of_shards_is_bounded(hub: Path) -> None:
    write_index(hub, **{f"k{number}": f"{number}.bin" for number in range(257)})
    with pytest.raises(UserError, match="names 257 shards, must be at most 256"):
        read_index(hub / INDEX)


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        (
            dict(a="one.safetensors", b="two.safetensors", c="two.safetensors"),
            "one.safetensors holds b, which .* in two",
        ),
        (dict(a="one.safetensors", c="two.safetensors"), "one.safetensors holds b, which .* is nowhere"),
        (
            dict(a="one.safetensors", b="one.safetensors", c="two.safetensors", d="two.safetensors"),
            "promises d, which two.safetensors does not hold",
        ),
        (dict(a="one.safetensors", b="one.safetensors", c="three.bin"), "names three.bin, which is not in the folder"),
    ],
)
def test_an_index_and_its_shards_must_agree(weight_map: dict, message: str, hub: Path) -> None:
    write_index(hub, **weight_map)
    with pytest.raises(UserError, match=message):
        read_checkpoint(hub)


def relative(target: Path, link: Path) -> Path:
    return Path(os.path.relpath(target, link.parent))


@pytest.mark.parametrize("name", ["config.json", INDEX, "two.safetensors", "preprocessor_config.json"])
@pytest.mark.parametrize("way", [lambda target, link: target, relative], ids=["absolute", "relative"])
def test_a_link_that_leads_out_is_refused(name: str, way: Callable, hub: Path) -> None:
    outside = hub.parent / "outside"
    outside.write_bytes((hub / name).read_bytes() if (hub / name).exists() else b"{}")
    (hub / name).unlink(missing_ok=True)
    (hub / name).symlink_to(way(outside, hub / name))
    with pytest.raises(UserError, match=f"{name} is a link out of its folder, to .*outside: copy the file"):
        read_checkpoint(hub)


def test_the_folder_itself_may_be_a_link_and_so_may_files_to_others_inside(hub: Path) -> None:
    (hub / "two.safetensors").rename(hub / "real")
    (hub / "two.safetensors").symlink_to("real")
    (hub.parent / "link").symlink_to(hub)
    assert len(read_checkpoint(hub.parent / "link").weights) == 3


def test_hugging_faces_cache_is_followed_within_one_model(hub: Path, tmp_path: Path) -> None:
    cache = tmp_path / "hub_cache" / "models--someone--maskformer"
    snapshot = cache / "snapshots" / "1a2b"
    snapshot.mkdir(parents=True)
    (cache / "blobs").mkdir()
    for number, file in enumerate(hub.iterdir()):
        file.rename(cache / "blobs" / str(number))
        (snapshot / file.name).symlink_to(Path("..", "..", "blobs", str(number)))
    assert len(read_checkpoint(snapshot).weights) == 3
    other = cache.with_name("models--someone--else") / "blobs" / "0"
    other.parent.mkdir(parents=True)
    (cache / "refs").write_text("{}")
    for target in (other, cache / "refs"):
        target.write_text("{}")
        (snapshot / "config.json").unlink()
        (snapshot / "config.json").symlink_to(target)
        with pytest.raises(UserError, match="is a link out of its folder"):
            read_checkpoint(snapshot)
    assert file_within(snapshot, "absent.json") is None
