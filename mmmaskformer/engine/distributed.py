"""Several processes on a machine without GPUs, which MMEngine's own start-up cannot do, or with too few."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
import time

import torch
import torch.distributed as dist

from mmmaskformer.errors import UserError


def init_cpu_process_group(launcher: str) -> None:
    """Join this process to a gloo group; MMEngine skips its own start-up where a group exists already.

    MMEngine's ``init_dist`` calls ``torch.cuda.set_device`` whatever the backend, and fails without a GPU.

    Args:
        launcher: ``"pytorch"`` (torchrun's variables), ``"slurm"`` or ``"mpi"`` (Open MPI's), translated to the former.
    """
    if dist.is_initialized():
        return
    if launcher == "slurm":
        nodes = os.environ["SLURM_NODELIST"]
        first = subprocess.run(["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True)
        os.environ.setdefault("MASTER_ADDR", first.stdout.split()[0])
        os.environ.update(RANK=os.environ["SLURM_PROCID"], WORLD_SIZE=os.environ["SLURM_NTASKS"])
        os.environ["LOCAL_RANK"] = os.environ.get("SLURM_LOCALID", "0")
    elif launcher == "mpi":
        os.environ.update(
            RANK=os.environ["OMPI_COMM_WORLD_RANK"],
            WORLD_SIZE=os.environ["OMPI_COMM_WORLD_SIZE"],
            LOCAL_RANK=os.environ["OMPI_COMM_WORLD_LOCAL_RANK"],
        )
    os.environ.setdefault("MASTER_PORT", "29500")
    dist.init_process_group("gloo")


def leave_cpu_process_group() -> None:
    """End this rank, whose work is done, with exit status 0; do nothing without a group on the CPU.

    A DistributedDataParallel model keeps gloo's threads alive until the interpreter is torn down, and one that then
    lets go of a Python object aborts the process ("terminate called without an active exception"; about 1 run in 16
    here). So exit functions run and streams are flushed, but the interpreter is not torn down.
    """
    if not dist.is_initialized() or dist.get_backend() != "gloo":
        return
    dist.barrier()  # no rank's connections break before all are done
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def end_with_launcher(seconds: float = 1.0) -> None:
    """End this process once the one that started it is gone.

    torchrun starts its processes in sessions of their own: where it is killed outright, they would go on and write
    into the folder that a resumed run writes into.

    Args:
        seconds: Time between two looks.
    """
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end_with_launcher").start()


def has_gpu() -> bool:
    """Whether training would run on a CUDA device."""
    return torch.cuda.is_available()


def check_gpu_of_this_process(launcher: str) -> None:
    """Refuses a process beyond the last GPU, where MMEngine would end in CUDA's "invalid device ordinal".

    Args:
        launcher: As for :func:`init_cpu_process_group`, or ``"none"``. Under Slurm, MMEngine has processes share a GPU.

    Raises:
        UserError: There is no GPU of this process's number.
    """
    variable = {"pytorch": "LOCAL_RANK", "mpi": "OMPI_COMM_WORLD_LOCAL_RANK"}.get(launcher)
    count = torch.cuda.device_count()
    if variable and (index := int(os.environ[variable])) >= count:
        raise UserError(
            f"process {index} of this machine has no GPU: {count} can be seen, numbered from 0. Start one process a "
            "GPU, or set CUDA_VISIBLE_DEVICES to nothing for processes on the CPU"
        )
