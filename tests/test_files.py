"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from mmmaskformer.files import atomic_open, is_remote


def test_an_error_while_writing_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "labels.png"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_open(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_block_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text("old")
    with atomic_open(path, "w", encoding="utf-8") as file:
        file.write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_writing_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(tmp_path / "real")
    with atomic_open(link, "w") as file:
        file.write("text")
    assert link.is_symlink() and (tmp_path / "real").read_text() == "text"


def test_appending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'a'"), atomic_open(tmp_path / "log", "a"):
        pass


@pytest.mark.parametrize(
    "backend_args, remote", [(None, False), ({"backend": "local"}, False), ({"backend": "petrel"}, True)]
)
def test_a_backend_other_than_the_local_disk_is_remote(backend_args, remote):
    assert is_remote(backend_args) is remote
