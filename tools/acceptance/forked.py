"""Runs cases in processes of their own, so that a crash, a bomb or an endless loop is one failed case."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


def run_forked(
    cases: Sequence[Any], run: Callable[[Any], str], *, memory: int, seconds: float, ready: Callable[[], None]
) -> list[str]:
    """Runs each case in a fork of this process.

    Args:
        cases: what to run.
        run: gives the outcome of a case, which begins with ``"failed"`` where it is not the right one.
        memory: bytes that a fork may reserve on top of what this process has.
        seconds: that a case may take.
        ready: called in each fork before its first case.

    Returns:
        An outcome per case.
    """
    outcomes: list[str] = []
    context = multiprocessing.get_context("fork")
    while len(outcomes) < len(cases):
        here, there = context.Pipe()
        worker = context.Process(target=_work, args=(there, cases[len(outcomes) :], run, memory, ready))
        worker.start()
        there.close()
        try:
            while len(outcomes) < len(cases):
                if not here.poll(seconds):
                    outcomes.append(f"failed: took more than {seconds:.0f} s")
                    break
                outcomes.append(here.recv())
        except EOFError:
            worker.join()
            outcomes.append(f"failed: {_death(worker.exitcode)}")
        worker.kill()
        worker.join()
        here.close()
    return outcomes


def _work(
    pipe: Connection, cases: Sequence[Any], run: Callable[[Any], str], memory: int, ready: Callable[[], None]
) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ready()
    for case in cases:
        pipe.send(run(case))


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"killed by {signal.Signals(-exitcode).name}"
    return f"the process ended with status {exitcode}"
