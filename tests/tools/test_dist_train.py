"""Two processes train, evaluate and save on a machine without GPUs."""

import re
import subprocess
import time
from pathlib import Path

import pytest
from launching import ROOT, environment, free_port, run_tool, run_tool_on_ranks
from tiny import make_dataset, write_config


def kill_once_saved(folder: Path) -> int:
    """Starts an endless run of two processes, kills it without warning after its first checkpoint.

    Returns:
        The iteration of the last checkpoint.
    """
    endless = ["--cfg-options", "train_cfg.max_iters=100000", "train_cfg.val_interval=100000"]
    log = folder / "log.txt"
    with log.open("w") as output:
        run = subprocess.Popen(
            ["bash", str(ROOT / "tools" / "dist_train.sh"), "tiny.py", "2", *endless],
            cwd=folder,
            env=environment(PORT=free_port()),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    last = folder / "work_dirs" / "tiny" / "last_checkpoint"
    try:
        deadline = time.monotonic() + 240
        while not last.is_file():
            assert run.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        ranks = children(run.pid)
    finally:
        run.kill()
        run.wait()
    while any(Path(f"/proc/{rank}/cwd").exists() for rank in ranks):  # they end by themselves
        assert time.monotonic() < deadline, f"ranks {ranks} outlive their launcher"
        time.sleep(0.1)
    return int(Path(last.read_text()).stem.removeprefix("iter_"))


def children(process: int) -> list[int]:
    """The processes that a process has started, from any of its threads."""
    return [
        int(child)
        for thread in Path(f"/proc/{process}/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc to watch processes")
def test_two_processes_are_killed_resume_at_the_saved_iteration_evaluate_save_and_test(tmp_path: Path) -> None:
    write_config(tmp_path / "tiny.py", make_dataset(tmp_path / "data"))
    saved = kill_once_saved(tmp_path)
    end = saved + 2

    options = ["--resume", "--amp", "--cfg-options", f"train_cfg.max_iters={end}"]
    resumed = run_tool_on_ranks("train.py", "tiny.py", *options, ranks=2, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stdout
    assert f"resumed epoch: 0, iter: {saved}" in resumed.stdout
    # MMEngine pads the iteration to the width of the last one.
    assert re.search(rf"Iter\(train\) \[ *{saved + 1}/{end}\]", resumed.stdout), resumed.stdout
    assert f"Iter(train) [{saved}/" not in resumed.stdout
    assert "Iter(val) [2/2]" in resumed.stdout and "mIoU: " in resumed.stdout  # four images, two on each rank

    checkpoint = f"work_dirs/tiny/iter_{end}.pth"
    tested = run_tool("dist_test.sh", "tiny.py", checkpoint, "2", "--out", "maps", cwd=tmp_path, PORT=free_port())
    assert tested.returncode == 0, tested.stdout
    assert "mIoU: " in tested.stdout
    assert len(list((tmp_path / "maps").iterdir())) == 4


def test_a_users_mistake_ends_all_processes_without_a_traceback(tmp_path: Path) -> None:
    done = run_tool("dist_train.sh", "nowhere.py", "2", cwd=tmp_path, PORT=free_port())
    assert done.returncode == 2
    # Every rank finds the mistake, and the first to end may end the others before they have said so.
    assert re.search(r"^error( \(rank 1\))?: config file nowhere.py does not exist$", done.stdout, re.M), done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("name", ["dist_train.sh", "dist_test.sh", "slurm_train.sh", "slurm_test.sh"])
def test_a_script_without_its_arguments_says_how_to_call_it(tmp_path: Path, name: str) -> None:
    done = run_tool(name, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout.startswith("usage: ")
