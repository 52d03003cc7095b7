"""Running a function on several ranks of a gloo group on the CPU, each in a process of its own."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

import mmmaskformer  # noqa: F401  (a new process imports this first, and mmseg needs its patches)


def run_on_ranks(function: Callable, ranks: int, *args: Any) -> list[Any]:
    """Calls ``function(*args)`` on every rank and returns the results in the order of ranks.

    Args:
        function: A module's function (it is imported anew in each process); ``torch.distributed`` tells it its rank.
        ranks: Number of processes.
        *args: What pickle can carry.
    """
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_run, args=(ranks, folder, function, args), nprocs=ranks)
        return [torch.load(Path(folder, f"{rank}.pt"), weights_only=False) for rank in range(ranks)]


def _run(rank: int, ranks: int, folder: str, function: Callable, args: tuple) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    try:
        torch.save(function(*args), Path(folder, f"{rank}.pt"))
    finally:
        dist.destroy_process_group()
