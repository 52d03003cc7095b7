"""All of MMEngine's ways to load a checkpoint end at our reader."""

import functools
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader, load_checkpoint
from mmengine.runner import checkpoint as mmengine_checkpoint
from safetensors.torch import save_file

from mmmaskformer.compat import read_checkpoints_as_data
from mmmaskformer.errors import UserError


class Touches:
    """A hostile content."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


class Server(http.server.SimpleHTTPRequestHandler):
    """Says nothing of what it serves."""

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of a server of ``tmp_path / "web"``."""
    (tmp_path / "web").mkdir()
    handler = functools.partial(Server, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def ways(folder: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Names under which MMEngine finds ``web/x.pth``, one for each of its loaders."""
    monkeypatch.setenv("TORCH_HOME", str(folder / "cache"))
    monkeypatch.setenv("MMENGINE_HOME", str(folder / "home"))
    (folder / "home").mkdir()
    file = folder / "web" / "x.pth"
    external = {"here": str(file), "web": f"{address}/x.pth"}
    (folder / "home" / "open_mmlab.json").write_text(json.dumps(external))
    for name in ("get_torchvision_models", "get_mmcls_models"):
        monkeypatch.setattr(mmengine_checkpoint, name, lambda: {"x": f"{address}/x.pth"})

    class Backend:
        @staticmethod
        def get(_: str) -> bytes:
            return file.read_bytes()

    monkeypatch.setattr(mmengine_checkpoint, "get_file_backend", lambda *_, **__: Backend)
    names = ("torchvision://x", "modelzoo://x", "mmcls://x", "open-mmlab://web", "openmmlab://here", "s3://bucket/x")
    return {"": str(file), "http": f"{address}/x.pth"} | {name.partition(":")[0]: name for name in names}


def test_every_scheme_reads_what_mmengine_writes_and_runs_nothing(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ways(tmp_path, address, monkeypatch)
    good = {"state_dict": {"backbone.a": torch.ones(2)}, "message_hub": {"loss": HistoryBuffer([1.0], [1])}}
    torch.save(good, tmp_path / "web" / "x.pth")
    for name in names.values():
        found = CheckpointLoader.load_checkpoint(name, map_location="cpu", logger="silent")
        assert torch.equal(next(iter(found["state_dict"].values())), torch.ones(2)), name
    assert [path.name for path in (tmp_path / "cache").rglob("*.pth")] == ["x.pth"]  # one download for all

    torch.save(good | {"more": Touches(tmp_path / "was_here")}, tmp_path / "web" / "x.pth")
    torch.save(good | {"more": Touches(tmp_path / "was_here")}, next((tmp_path / "cache").rglob("*.pth")))
    for name in names.values():
        with pytest.raises(UserError, match=r"is refused: it asks for .*open"):
            CheckpointLoader.load_checkpoint(name, map_location="cpu", logger="silent")
    assert not (tmp_path / "was_here").exists()


def test_an_address_is_kept_by_its_name_and_its_hash_is_checked_on_request(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    torch.save({"a": torch.ones(1)}, tmp_path / "web" / "x.pth")
    data = (tmp_path / "web" / "x.pth").read_bytes()
    named = f"x-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    for name in (named, "x-00000000.pth"):
        (tmp_path / "web" / name).write_bytes(data)
    load_url = mmengine_checkpoint.load_url
    assert load_url(f"{address}/{named}", check_hash=True, progress=False)["a"] == 1
    assert (tmp_path / "cache" / "hub" / "checkpoints" / named).read_bytes() == data
    with pytest.raises(RuntimeError, match="invalid hash"):
        load_url(f"{address}/x-00000000.pth", check_hash=True, progress=False)
    assert load_url(f"{address}/x.pth", model_dir=str(tmp_path), file_name="y.pth", progress=False)["a"] == 1
    (tmp_path / "web" / "x.pth").unlink()
    assert load_url(f"{address}/x.pth", str(tmp_path), map_location="meta", file_name="y.pth")["a"].is_meta


def test_init_cfg_and_models_load_through_the_reader(tmp_path: Path) -> None:
    class Net(BaseModule):
        def __init__(self, **kwargs) -> None:
            super().__init__(**kwargs)
            self.layer = torch.nn.Linear(1, 1)

    path = tmp_path / "x.pth"
    model = Net(init_cfg=dict(type="Pretrained", checkpoint=str(path)))
    content = {"state_dict": {"layer.weight": torch.full((1, 1), 5.0), "layer.bias": torch.zeros(1)}}
    torch.save(content | {"message_hub": HistoryBuffer([1.0], [1])}, path)
    model.init_weights()
    assert model.layer.weight.item() == 5
    assert load_checkpoint(Net(), str(path), map_location="cpu")["message_hub"].data[0] == [1]
    torch.save(content | {"more": Touches(tmp_path / "was_here")}, path)
    with pytest.raises(UserError, match=r"x\.pth is refused"):
        Net(init_cfg=dict(type="Pretrained", checkpoint=str(path))).init_weights()
    assert list(tmp_path.iterdir()) == [path]


def test_safetensors_are_read_and_other_formats_are_named(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "x.pth")
    assert CheckpointLoader.load_checkpoint(str(tmp_path / "x.pth"), "cpu")["a"].tolist() == [1, 1]
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04}.")
    with pytest.raises(UserError, match=r"x\.pkl is of no format that MMEngine reads .*convert\.py reads Detectron2's"):
        CheckpointLoader.load_checkpoint(str(tmp_path / "x.pkl"), "cpu")


def test_the_onedl_fork_neither_changes_the_safe_globals_nor_falls_back_to_running_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its module is made here of the official one, as it is before we are imported, with its function and loader."""

    def loads_unsafely(file: str, map_location: str | None = None) -> object:
        with torch.serialization.safe_globals([getattr]):
            return torch.load(file, map_location=map_location, weights_only=False)

    def load_from_local(file: str, map_location: str | None) -> object:
        return mmengine_checkpoint._safe_torch_load(file, map_location=map_location)

    monkeypatch.setattr(mmengine_checkpoint, "torch", torch)
    monkeypatch.setattr(mmengine_checkpoint, "load_url", torch.hub.load_state_dict_from_url)
    monkeypatch.setattr(mmengine_checkpoint, "_safe_torch_load", loads_unsafely, raising=False)
    monkeypatch.setattr(CheckpointLoader, "_schemes", {"": load_from_local})
    read_checkpoints_as_data(mmengine_checkpoint)
    monkeypatch.setattr(torch.serialization, "safe_globals", None)
    path = tmp_path / "x.pth"
    torch.save({"a": torch.ones(1), "more": Touches(tmp_path / "was_here")}, path)
    with pytest.raises(UserError, match=r"x\.pth is refused: it asks for .*open"):
        CheckpointLoader.load_checkpoint(str(path), "cpu")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "https://no-such-host.invalid"])
def test_without_a_network_the_error_says_where_to_put_the_file(address: str, tmp_path: Path) -> None:
    expected = rf"weights {address}/r50\.pth cannot be fetched \(.+\): put the file at {tmp_path}/r50\.pth, or name it"
    with pytest.raises(UserError, match=expected):
        mmengine_checkpoint.load_url(f"{address}/r50.pth", model_dir=str(tmp_path), progress=False)
    assert not list(tmp_path.iterdir())
