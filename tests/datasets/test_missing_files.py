"""Missing folders and files are found without asking the file system for each."""

import pytest

from mmmaskformer.datasets.missing_files import missing_files, require_folder
from mmmaskformer.errors import UserError


def test_files_that_are_not_there_are_counted_by_position(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "1.png").touch()
    paths = [f"{tmp_path}/a/{name}" for name in ("b/1.png", "b/2.png", "b/../b/1.png", "b")]
    assert missing_files(paths, tmp_path / "a") == [1, 3]


def test_a_missing_folder_is_refused_with_the_owner_and_the_hint(tmp_path):
    require_folder("Owner", tmp_path)
    with pytest.raises(UserError, match=r"Owner: folder .*/no does not exist; draw it"):
        require_folder("Owner", tmp_path / "no", "; draw it")
