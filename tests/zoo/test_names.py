import os
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from file_server import Served, Server, serving
from launching import run_tool
from published import RELEASED_HEADS, SHORT_SIDE, SMALL_SIZE, expected_labels, image, published_file, url_path
from small_models import write_small_hf

from mmmaskformer.apis import MaskFormerInferencer
from mmmaskformer.errors import UserError
from mmmaskformer.zoo import find_checkpoint, find_source, names
from mmmaskformer.zoo.cache import cache_folder

MODEL, CONTENT = published_file()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A mirror with one model of the release, and an empty cache."""
    with serving() as found:
        found.files[url_path(MODEL)] = Served(CONTENT)
        monkeypatch.setenv("MMMASKFORMER_MIRROR", found.address)
        monkeypatch.setenv("MMMASKFORMER_CACHE", str(tmp_path / "cache"))
        yield found


def left() -> list[str]:
    """Files in the cache, less locks."""
    return sorted(path.name for path in cache_folder().rglob("*") if path.is_file() and path.suffix != ".lock")


def test_a_published_model_by_name_gives_the_label_map_of_its_weights(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    server.files[url_path(MODEL)].cuts = [10_000]
    expected = expected_labels(tmp_path, RELEASED_HEADS)
    result = MaskFormerInferencer(MODEL.name, device="cpu", cfg_options=SMALL_SIZE)(image())
    assert np.array_equal(result.labels, expected)
    first = capfd.readouterr().err
    assert "CC BY-NC 4.0" in first and server.address in first
    assert server.count() == 2
    again = MaskFormerInferencer(checkpoint=MODEL.name, device="cpu", cfg_options=SMALL_SIZE)(image())
    assert np.array_equal(again.labels, expected) and server.count() == 2
    assert "CC BY-NC" not in capfd.readouterr().err


def test_two_processes_that_start_at_once_fetch_once(server: Server, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "image.png"), image())

    def run(name: str) -> None:
        command = ("infer.py", "image.png", "--model", MODEL.name, "--out-dir", name, "--no-overlay", "--cfg-options")
        done.append(run_tool(*command, *(f"{key}={value}" for key, value in SMALL_SIZE.items()), cwd=tmp_path))

    done: list = []
    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.returncode for process in done] == [0, 0], [process.stdout for process in done]
    assert server.count() == 1
    assert (tmp_path / "one/image_labels.png").read_bytes() == (tmp_path / "two/image_labels.png").read_bytes()


@pytest.mark.parametrize(
    ("served", "message"),
    [
        (Served(CONTENT[:-1] + b"x"), f"its md5 is .*, and must begin with {MODEL.md5_prefix}"),
        (Served(CONTENT[:5000]), "is damaged or another file"),
        (Served(CONTENT, {"Content-Length": str(1 << 40)}), "has 1099511627776 bytes"),
        (Served(redirect=f"http://example.com/{MODEL.file}"), "only https is allowed"),
        (Served(CONTENT, {"Content-Disposition": "attachment; filename=/etc/x"}), "which is a path"),
    ],
    ids=["md5", "short", "size", "redirect", "path"],
)
def test_a_file_that_is_not_the_published_one_is_one_line_and_leaves_nothing(
    server: Server, served: Served, message: str
) -> None:
    server.files[url_path(MODEL)] = served
    with pytest.raises(UserError, match=message) as raised:
        find_checkpoint(MODEL.name)
    assert "\n" not in str(raised.value) and not left()


def test_the_sha256_of_the_first_fetch_is_compared_later(server: Server) -> None:
    converted = Path(find_checkpoint(MODEL.name))
    record = cache_folder() / "release" / f"{MODEL.file}.sha256"
    assert left() == sorted([MODEL.file, record.name, converted.name, converted.with_suffix(".py").name])
    (cache_folder() / "release" / MODEL.file).unlink()
    record.write_text(f"{'0' * 64}  {MODEL.file}\n")
    with pytest.raises(UserError, match="0{64} was recorded when it was first fetched"):
        find_checkpoint(MODEL.name)
    record.write_text("something else")
    with pytest.raises(UserError, match="is no list of sha256 sums"):
        find_checkpoint(MODEL.name)


def test_without_a_network_one_line_says_what_to_put_where(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMMASKFORMER_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="refused; without a network, download") as raised:
        find_checkpoint(MODEL.name)
    place = Path(str(raised.value).partition("save it as ")[2].partition(", or")[0])
    assert MODEL.url in str(raised.value)
    place.write_bytes(b"another file")
    with pytest.raises(UserError, match=f"to fetch the file again, delete {place}"):
        find_checkpoint(MODEL.name)
    place.write_bytes(CONTENT)
    assert os.path.isfile(find_checkpoint(MODEL.name))


def test_a_mirror_may_be_a_folder_with_files_and_hugging_face_models(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mirror"
    write_small_hf(folder / "owner" / "small")
    (folder / MODEL.file).write_bytes(CONTENT)
    monkeypatch.setenv("MMMASKFORMER_MIRROR", str(folder))
    assert find_source(MODEL.name) == (cache_folder() / "release" / MODEL.file, MODEL)
    assert find_source("owner/small") == (folder / "owner" / "small", None)
    assert Path(find_checkpoint("owner/small")).name.startswith("small-")
    with pytest.raises(UserError, match=r"owner/absent: .*absent is no folder"):
        find_checkpoint("owner/absent")
    assert not server.requests


def test_a_published_file_and_a_hugging_face_folder_are_converted_where_they_are_given(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / MODEL.file).write_bytes(CONTENT)
    converted = find_checkpoint(tmp_path / MODEL.file)
    scale = SHORT_SIDE[MODEL.name.split("_")[2]]
    assert f"scale={scale}" in Path(converted).with_suffix(".py").read_text().replace(" ", "")
    folder = write_small_hf(tmp_path / "small")
    assert find_checkpoint(folder) == find_checkpoint(folder) != converted
    assert not server.requests
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="has no config.json"):
        find_checkpoint(tmp_path / "empty")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("maskformer_swin-b_ade20k", "no weights .* are published, .*; did you mean maskformer_swin-b-in22k_ade20k"),
        ("maskformer_r51_ade20k", "no checkpoint and no published model .*; did you mean maskformer_r50_ade20k"),
        ("maskformer_efficientnet-lite0_shapes", "are published, only its config: give a checkpoint of your own"),
    ],
)
def test_a_name_without_published_weights_is_one_line_with_the_nearest_that_have_some(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        MaskFormerInferencer(name)
    assert "\n" not in str(raised.value)


def test_paths_and_addresses_stay_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("work_dirs").mkdir()
    Path("text.pth").write_text("no checkpoint")
    for name in ("https://x/y.pth", "work_dirs/latest", "absent.pth", "absent/iter_9.pth", "text.pth", "a/b/c"):
        assert find_checkpoint(name) == name
    assert names.find_model("tiny.py", None) == ("tiny.py", None)
    with pytest.raises(UserError, match="no checkpoint given"):
        MaskFormerInferencer("tiny.py")


def test_a_cache_that_cannot_be_written_is_one_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMMASKFORMER_CACHE", "/proc/cache")
    with pytest.raises(UserError, match="cannot write to the cache folder /proc/cache: .*; set MMMASKFORMER_CACHE"):
        find_checkpoint(MODEL.name)
