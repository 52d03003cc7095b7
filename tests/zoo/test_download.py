from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Served, Server, serving

from mmmaskformer.errors import UserError
from mmmaskformer.zoo import download
from mmmaskformer.zoo.addresses import check_address, locate
from mmmaskformer.zoo.download import Unreachable

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


def get(server: Server, folder: Path, file: Served) -> bytes:
    """The file, through the downloader; whatever happens, nothing but the one file may be left."""
    server.files["/file"] = file
    download.download(f"{server.address}/file", folder / "part", "file")
    assert [path.name for path in folder.iterdir()] == ["part"]
    return (folder / "part").read_bytes()


def test_after_a_cut_connection_only_the_rest_is_fetched(server: Server, tmp_path: Path) -> None:
    assert get(server, tmp_path, Served(CONTENT, cuts=[100_000, 50_000])) == CONTENT
    ranges = [asked for _, _, asked in server.requests]
    assert ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_run_resumes_and_begins_anew_if_the_file_has_changed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for changed in (False, True):
        monkeypatch.setattr(download, "ATTEMPTS", 1)
        with pytest.raises(Unreachable, match=r"ended after 1000 of 256000 bytes"):
            get(server, tmp_path, Served(CONTENT, cuts=[1000]))
        monkeypatch.undo()
        server.requests.clear()
        content = CONTENT[::-1] if changed else CONTENT
        assert get(server, tmp_path, Served(content)) == content
        assert [asked for _, _, asked in server.requests] == ["bytes=1000-"]
        (tmp_path / "part").unlink()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (Served(redirect="http://example.com/file"), "redirects to http://example.com/file: only https is allowed"),
        (Served(redirect="ftp://127.0.0.1/file"), "redirects to ftp://127.0.0.1/file: only https is allowed"),
        (Served(CONTENT, {"Content-Length": str(download.LARGEST + 1)}), "a model has at least one, and at most"),
        (Served(b""), "has 0 bytes"),
        (Served(CONTENT, {"Content-Disposition": 'attachment; filename="../../x"'}), "which is a path"),
    ],
    ids=["http", "ftp", "large", "empty", "path"],
)
def test_an_answer_that_is_not_acceptable_is_one_line_and_leaves_nothing(
    server: Server, tmp_path: Path, file: Served, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        get(server, tmp_path, file)
    assert not list(tmp_path.iterdir())


def test_a_file_without_a_stated_size_is_bounded_too(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LARGEST", 200_000)
    with pytest.raises(UserError, match="sends more than 200000 bytes"):
        get(server, tmp_path, Served(CONTENT, {"Content-Length": "unknown"}))
    assert not list(tmp_path.iterdir())


def test_a_server_that_sends_another_part_than_asked_for_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="another part of the file"):
        get(server, tmp_path, Served(CONTENT, {"Content-Range": "bytes 5-9/10"}, cuts=[1000]))
    assert not list(tmp_path.iterdir())


def test_no_file_and_no_server_are_told_apart(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="the server answers 404"):
        download.download(f"{server.address}/absent", tmp_path / "part", "file")
    with pytest.raises(Unreachable, match="refused"):
        download.download("http://127.0.0.1:9/file", tmp_path / "part", "file")


@pytest.mark.parametrize(
    ("url", "source", "good"),
    [
        ("https://example.com/x", None, True),
        ("http://localhost:80/x", None, True),
        ("http://[::1]/x", None, True),
        ("http://example.com/x", None, False),
        ("http://127.0.0.1.example.com/x", None, False),
        ("file:///etc/passwd", None, False),
        ("http://127.0.0.1/x", "https://example.com/x", False),
        ("https://example.com/x", "http://127.0.0.1/x", True),
    ],
)
def test_only_https_is_allowed_and_http_on_this_machine(url: str, source: str | None, good: bool) -> None:
    if good:
        check_address(url, source)
    else:
        with pytest.raises(UserError, match="only https is allowed"):
            check_address(url, source)


def test_a_mirror_replaces_the_host_and_may_be_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://example.com/a/b.pkl"
    assert locate(url) == url
    monkeypatch.setenv("MMMASKFORMER_MIRROR", "https://mirror.example/x/")
    assert locate(url) == "https://mirror.example/x/a/b.pkl"
    for mirror in (str(tmp_path), tmp_path.as_uri()):
        monkeypatch.setenv("MMMASKFORMER_MIRROR", mirror)
        assert locate(url) == tmp_path / "b.pkl"
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.pkl").touch()
    assert locate(url) == tmp_path / "a" / "b.pkl"
    for mirror, message in (("http://mirror.example", "only https"), ("absent", "neither an address .* nor a folder")):
        monkeypatch.setenv("MMMASKFORMER_MIRROR", mirror)
        with pytest.raises(UserError, match=f"^MMMASKFORMER_MIRROR={mirror}.*{message}"):
            locate(url)
