"""What the scripts for several processes hand to torchrun and srun. Slurm itself is not run, for want of a cluster."""

import os
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def launch(tmp_path):
    """Runs a script where both ``srun`` and Python only print their arguments, one a line."""
    srun = tmp_path / "srun"
    srun.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    srun.chmod(0o755)

    def run(script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("GPUS", "CPUS", "SRUN"))}
        path = f"{tmp_path}{os.pathsep}{clean['PATH']}"
        environment = {**clean, "PATH": path, "PYTHON": str(srun), **variables}
        command = ["bash", str(TOOLS / script), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(
    ("script", "needed"),
    [
        ("dist_train.sh", "CONFIG GPUS"),
        ("dist_test.sh", "CONFIG CHECKPOINT GPUS"),
        ("slurm_train.sh", "PARTITION JOB_NAME CONFIG"),
        ("slurm_test.sh", "PARTITION JOB_NAME CONFIG CHECKPOINT"),
    ],
)
def test_too_few_arguments_are_answered_with_the_usage(launch, script, needed):
    count = len(needed.split())
    short = launch(script, *["x"] * (count - 1))
    assert short.returncode == 2 and f"{script} {needed} [arguments of" in short.stderr and not short.stdout
    assert launch(script, *["1"] * count).returncode == 0


def test_torchrun_gets_processes_machines_and_the_scripts_own_arguments(launch):
    options = ["--cfg-options", "a=[1, 2]"]
    words = launch("dist_train.sh", "my config.py", "4", *options, NNODES="2", NODE_RANK="1", PORT="1234").stdout
    assert words.splitlines() == [
        str(TOOLS / "torchrun.py"),
        "--nnodes=2",
        "--node_rank=1",
        "--master_addr=127.0.0.1",
        "--master_port=1234",
        "--nproc_per_node=4",
        *[str(TOOLS / "train.py"), "my config.py", *options, "--launcher", "pytorch"],
    ]
    words = launch("dist_test.sh", "c.py", "c.pth", "3", "--tta").stdout.splitlines()
    assert words[-7:-4] == ["--nproc_per_node=3", str(TOOLS / "test.py"), "c.py"]
    assert words[-4:] == ["c.pth", "--tta", "--launcher", "pytorch"]


def test_srun_gets_the_job_and_the_scripts_own_arguments(launch):
    words = launch("slurm_train.sh", "part", "job", "c.py", "--resume", GPUS="16", SRUN_ARGS="--qos=high -v").stdout
    job = ["--partition=part", "--job-name=job", "--gres=gpu:8", "--ntasks=16", "--ntasks-per-node=8"]
    assert words.splitlines()[:9] == [*job, "--cpus-per-task=5", "--kill-on-bad-exit=1", "--qos=high", "-v"]
    assert words.splitlines()[10:] == ["-u", str(TOOLS / "train.py"), "c.py", "--resume", "--launcher", "slurm"]
    words = launch("slurm_test.sh", "part", "job", "c.py", "c.pth", GPUS="2").stdout.splitlines()
    assert {"--gres=gpu:2", "--ntasks=2", "--ntasks-per-node=2"} < set(words)
    assert words[-5:] == [str(TOOLS / "test.py"), "c.py", "c.pth", "--launcher", "slurm"]
