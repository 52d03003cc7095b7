"""A sample of the cases of tools/acceptance/fuzz_pickles.py."""

from pathlib import Path

from launching import run_tool


def test_good_files_are_read_and_hostile_ones_end_in_one_line(tmp_path: Path) -> None:
    done = run_tool("acceptance/fuzz_pickles.py", "--cases", "48", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "48 cases of seed 0: 0 failed" in done.stdout
    assert not list(tmp_path.iterdir())
