import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import huggingface_hub
import numpy as np
import pytest
from file_server import Served, Server, serving
from published import SMALL_SIZE, expected_labels, image
from small_models import write_small_hf

from mmmaskformer.errors import UserError
from mmmaskformer.zoo import find_checkpoint
from mmmaskformer.zoo.hub import HubModel, hub_model

ROOT = Path(__file__).resolve().parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "owner/small"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_hf(tmp_path_factory.mktemp("hub"))


def listing(files: dict[str, bytes]) -> dict[str, Any]:
    """What the hub says of a model."""
    siblings: list[dict[str, Any]] = []
    for name, content in files.items():
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry = dict(rfilename=name, size=len(content), blobId=blob)
        if name.endswith((".safetensors", ".bin")):
            entry["lfs"] = dict(size=len(content), sha256=hashlib.sha256(content).hexdigest(), pointerSize=100)
        siblings.append(entry)
    return dict(id=REPO, sha=COMMIT, cardData=dict(license="other"), siblings=siblings)


def publish(server: Server, files: dict[str, bytes], **changes: Any) -> None:
    """Puts a model on the server, as the hub has it."""
    info = json.dumps(listing(files) | changes).encode()
    for path in (f"/api/models/{REPO}", f"/api/models/{REPO}/revision/{COMMIT}"):
        server.files[path] = Served(info, {"Content-Type": "application/json"})
    for name, content in files.items():
        server.files[f"/{REPO}/resolve/{COMMIT}/{name}"] = Served(content, {"X-Repo-Commit": COMMIT})


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A hub, and empty caches."""
    with serving() as found:
        monkeypatch.setenv("MMMASKFORMER_MIRROR", found.address)
        monkeypatch.setenv("MMMASKFORMER_CACHE", str(tmp_path / "ours"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "theirs"))
        yield found


def left(folder: Path) -> list[Path]:
    """Files of models in both caches."""
    return [path for path in folder.rglob("*") if path.suffix in (".json", ".safetensors", ".bin", ".sha256", ".pth")]


def test_a_model_of_the_hub_by_name_gives_the_label_map_of_its_weights(
    model: Path, server: Server, tmp_path: Path
) -> None:
    publish(server, content_of(model) | {"pytorch_model.bin": b"not asked for", "model.py": b"not asked for"})
    server.files[f"/{REPO}/resolve/{COMMIT}/model.safetensors"].cuts = [20_000]
    cv2.imwrite(str(tmp_path / "image.png"), image())
    # HF_ENDPOINT is read when huggingface_hub is imported, so this is a process of its own.
    environment = dict(os.environ, HF_ENDPOINT=server.address, HF_HOME=str(tmp_path / "home"), PYTHONPATH=str(ROOT))
    del environment["MMMASKFORMER_MIRROR"]
    environment.pop("HF_HUB_OFFLINE", None)  # other tests set it
    arguments = ["tools/infer.py", tmp_path / "image.png", "--model", REPO, "--out-dir", tmp_path / "out"]
    sizes = [f"{key}={value}" for key, value in SMALL_SIZE.items()]
    command = [sys.executable, *map(str, arguments), "--device", "cpu", "--cfg-options", *sizes]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{REPO}: revision {COMMIT}" in done.stderr and f"{REPO}: license other" in done.stderr
    labels = cv2.imread(str(tmp_path / "out" / "image_labels.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(labels, expected_labels(tmp_path))
    fetched = [Path(path).name for method, path, _ in server.requests if method == "GET" and "/resolve/" in path]
    assert sorted(fetched) == ["config.json", "model.safetensors", "model.safetensors", "preprocessor_config.json"]


def test_a_fetched_model_needs_no_network_and_no_second_conversion(
    model: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server, content_of(model))
    converted = find_checkpoint(REPO)
    server.requests.clear()
    assert find_checkpoint(f"{REPO}@{COMMIT}") == converted and not server.requests
    assert find_checkpoint(REPO) == converted and len(server.requests) == 1
    server.files["/api/models/owner/other"] = Served(headers={"X-Error-Code": "RepoNotFound"}, status=401)
    with pytest.raises(UserError, match="owner/other is no model on the hub, or a private one"):
        find_checkpoint("owner/other")
    monkeypatch.setenv("MMMASKFORMER_MIRROR", "http://127.0.0.1:9")
    assert find_checkpoint(REPO) == converted
    with pytest.raises(UserError, match=r"owner/other: cannot be fetched: .*; without a network, copy its config.json"):
        find_checkpoint("owner/other")


def test_weights_in_shards_and_weights_in_a_pickle_are_read(model: Path, server: Server, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save

    weights = load_file(model / "model.safetensors")
    others = {name: content for name, content in content_of(model).items() if name.endswith(".json")}
    shards: dict[str, dict] = {"model-00001-of-00002.safetensors": {}, "model-00002-of-00002.safetensors": {}}
    for index, (key, value) in enumerate(weights.items()):
        shards[list(shards)[index % 2]][key] = value
    weight_map = {key: name for name, part in shards.items() for key in part}
    index = {"model.safetensors.index.json": json.dumps(dict(weight_map=weight_map)).encode()}
    publish(server, others | index | {name: save(part) for name, part in shards.items()})
    first = torch.load(find_checkpoint(REPO))["state_dict"]

    torch.save(weights, tmp_path / "weights")
    commit = COMMIT[::-1]
    publish(server, others | {"pytorch_model.bin": (tmp_path / "weights").read_bytes()}, sha=commit)
    server.files = {path.replace(COMMIT, commit): file for path, file in server.files.items()}
    for file in server.files.values():
        file.headers = {name: value.replace(COMMIT, commit) for name, value in file.headers.items()}
    second = torch.load(find_checkpoint(REPO))["state_dict"]
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("path", "lists the file '../config.json', which leads out of its folder"),
        ("size", "model.safetensors has 1099511627776 bytes"),
        ("content", "config.json has .* the checksum .*, and the hub says"),
        ("redirect", "redirects to http://example.com/x: only https is allowed"),
        ("shard", "model.safetensors.index.json.*'../x.safetensors'"),
        ("none", "has no weights that can be read"),
        ("config", "no model that can be read: it has no config.json"),
    ],
)
def test_a_model_that_is_not_acceptable_is_one_line_and_leaves_no_weights(
    model: Path, server: Server, tmp_path: Path, case: str, message: str
) -> None:
    files = content_of(model)
    if case == "path":
        files["../config.json"] = b"{}"
    elif case == "shard":
        files["model.safetensors.index.json"] = json.dumps(dict(weight_map={"x": "../x.safetensors"})).encode()
    if case in ("shard", "none"):
        del files["model.safetensors"]
    elif case == "config":
        del files["config.json"]
    publish(server, files)
    if case == "size":
        info = listing(files)
        next(file for file in info["siblings"] if file["rfilename"] == "model.safetensors")["size"] = 1 << 40
        publish(server, files, siblings=info["siblings"])
    elif case == "content":
        path = f"/{REPO}/resolve/{COMMIT}/config.json"
        server.files[path].content = server.files[path].content[::-1]
    elif case == "redirect":
        headers = {"X-Repo-Commit": COMMIT, "X-Linked-Etag": "tag", "X-Linked-Size": str(len(files["config.json"]))}
        server.files[f"/{REPO}/resolve/{COMMIT}/config.json"] = Served(b"", headers, redirect="http://example.com/x")
    with pytest.raises(UserError, match=message) as raised:
        find_checkpoint(REPO)
    assert "\n" not in str(raised.value)
    leftovers = left(tmp_path) if case != "shard" else [path for path in left(tmp_path) if path.suffix != ".json"]
    assert not leftovers


@pytest.mark.parametrize("name", ["owner/name/more", "/name", "owner/", "../name", "owner/na me", "owner/name@"])
def test_other_texts_are_no_names_of_the_hub(name: str) -> None:
    assert hub_model(name) is None


def test_a_revision_stands_behind_the_name() -> None:
    assert hub_model("a/b@refs/pr/1") == HubModel("a/b", "refs/pr/1")
    assert hub_model("a/b") == HubModel("a/b", None)
