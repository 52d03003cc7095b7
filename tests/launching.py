"""Starting the tools, and functions, in processes of their own: one, or the ranks of a gloo group on the CPU.

Processes are forked from one that has imported torch, mmseg and mmdet already, which takes a new process six seconds.
"""

import functools
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

import mmmaskformer  # noqa: F401  (a new process imports this first, and mmseg needs its patches)

ROOT = Path(__file__).resolve().parents[1]


def run_tool(*command: str | Path, cwd: Path, timeout: float = 300, **env: str) -> subprocess.CompletedProcess:
    """Runs a file of tools/ by its name, as a user would, and returns the finished process with its output.

    A shell script starts as it does for a user, a Python tool is forked.
    """
    name, *arguments = map(str, command)
    if name.endswith(".sh"):
        return subprocess.run(
            ["bash", str(ROOT / "tools" / name), *arguments],
            cwd=cwd,
            env=environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
    return _run_forked([name, *arguments], [environment(**env)], cwd, timeout)


def run_tool_on_ranks(*command: str | Path, ranks: int, cwd: Path) -> subprocess.CompletedProcess:
    """Runs a Python tool as torchrun runs it on several ranks; output and exit status are those of all ranks."""
    address = dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=free_port(), WORLD_SIZE=str(ranks))
    places = [environment(**address, RANK=str(rank), LOCAL_RANK=str(rank)) for rank in range(ranks)]
    return _run_forked([*map(str, command), "--launcher", "pytorch"], places, cwd, timeout=300)


def run_on_ranks(function: Callable, ranks: int, *args: Any) -> list[Any]:
    """Calls ``function(*args)`` on every rank and returns the results in the order of ranks.

    Args:
        function: A module's function (it is imported anew in each process); ``torch.distributed`` tells it its rank.
        ranks: Number of processes.
        *args: What pickle can carry.
    """
    forkserver()
    with tempfile.TemporaryDirectory() as folder:
        mp.start_processes(_run_rank, (ranks, folder, function, args), nprocs=ranks, start_method="forkserver")
        return [torch.load(Path(folder, f"{rank}.pt"), weights_only=False) for rank in range(ranks)]


@functools.cache
def forkserver() -> Any:
    """The context of :mod:`multiprocessing` whose processes are forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mmmaskformer", "mmseg.models", "mmdet.models", "mmmaskformer.apis.inferencer"])
    # The server keeps the environment that it is started in, and torch counts its threads once.
    with patch.dict(os.environ, environment()):
        context.Process(target=int).start()
    return context


def environment(**extra: str) -> dict[str, str]:
    """The environment of a tool's process: one thread, no GPU, this checkout's package."""
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        **extra,
    }


def free_port() -> str:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _run_forked(
    command: list[str], environments: Sequence[dict[str, str]], cwd: Path, timeout: float
) -> subprocess.CompletedProcess:
    """Runs a Python tool once in each environment, all at the same time."""
    name, *arguments = command
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder, f"{n}.txt") for n in range(len(environments))]
        for output in outputs:
            output.touch()  # a process that dies on its way writes none
        processes = [
            forkserver().Process(target=_run_python_tool, args=(name, arguments, str(cwd), env, str(output)))
            for env, output in zip(environments, outputs)
        ]
        deadline = time.monotonic() + timeout
        for process in processes:
            process.start()
        for process in processes:
            process.join(max(deadline - time.monotonic(), 0))
        late = [process for process in processes if process.exitcode is None]
        for process in late:
            process.kill()
        output = "".join(output.read_text() for output in outputs)
        if late:
            raise subprocess.TimeoutExpired(command, timeout, output.encode())
        # A process that a signal ended has a negative exit code.
        worst = max((process.exitcode for process in processes), key=abs)
        return subprocess.CompletedProcess(command, worst, output)


def _run_python_tool(name: str, arguments: list[str], cwd: str, env: dict[str, str], output: str) -> None:
    with open(output, "wb", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    multiprocessing.set_start_method(None, force=True)  # the system's, as for a user, not a fork server of its own
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    tool = str(ROOT / "tools" / name)
    sys.argv = [tool, *arguments]
    sys.path[0] = os.path.dirname(tool)
    runpy.run_path(tool, run_name="__main__")


def _run_rank(rank: int, ranks: int, folder: str, function: Callable, args: tuple) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    try:
        torch.save(function(*args), Path(folder, f"{rank}.pt"))
    finally:
        dist.destroy_process_group()
