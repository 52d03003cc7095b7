"""What the fuzzers of files share: canaries, calls of tools, and a count of outcomes.

A case writes a file, gives it to a tool, and says what must come of it. Whatever the file, no code in it may run, the
process must live, and what is refused must be refused in one line with exit status 2 and no file written.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import runpy
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.logging import MMLogger

from mmmaskformer.errors import one_line_errors

ROOT = Path(__file__).resolve().parents[2]
MODULE = "canary_module"


class Failure(Exception):
    """Says in which way a case went wrong."""


def expect(condition: Any, message: str) -> None:
    """Raises :class:`Failure` unless the condition holds."""
    if not condition:
        raise Failure(message)


@dataclass
class Outcome:
    """How a tool ended.

    Attributes:
        status: exit status.
        output: what it printed.
        errors: what it printed to stderr.
    """

    status: int
    output: str
    errors: str

    @property
    def line(self) -> str:
        """The one line of a refusal.

        Raises:
            Failure: it is none, or more.
        """
        lines = self.errors.splitlines()
        expect(len(lines) == 1 and lines[0].startswith("error: "), f"not one line of an error: {self.errors[-3000:]}")
        return lines[0]


class Canary:
    """A file that code in a hostile file would make, and a module that it would import.

    Args:
        folder: where both are.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "canary"
        (folder / f"{MODULE}.py").write_text(f"open({str(self.file)!r}, 'w').close()\n")
        sys.path.insert(0, str(folder))

    @property
    def code(self) -> str:
        """An expression that makes the file."""
        return f"__import__('os').system('touch {self.file}')"

    def check(self) -> None:
        """Raises :class:`Failure` if code has run."""
        expect(not self.file.exists() and MODULE not in sys.modules, "code of the file has run")

    def close(self) -> None:
        """Takes the module out of Python's path."""
        sys.path.remove(str(self.file.parent))


def call(tool: str, *arguments: object) -> Outcome:
    """Runs a Python tool in this process, which has its slow imports behind it."""
    path, output, errors = ROOT / "tools" / tool, io.StringIO(), io.StringIO()
    main = runpy.run_path(str(path))["main"]
    status, before = 0, sys.argv
    sys.argv = [str(path), *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors), one_line_errors():
            main()
    except SystemExit as error:
        status = int(error.code or 0)
    except Exception:  # what ends a process with a traceback
        status = 1
        errors.write(traceback.format_exc())
    finally:
        sys.argv = before
    return Outcome(status, output.getvalue(), errors.getvalue())


def call_in_process(tool: str, *arguments: object) -> Outcome:
    """Runs a Python tool as a user does, in a process of its own."""
    command = [sys.executable, str(ROOT / "tools" / tool), *map(str, arguments)]
    env = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "PYTHONWARNINGS": "ignore",  # of packages, while they are imported
    }
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, errors="replace")
    return Outcome(done.returncode, done.stdout, done.stderr)


@dataclass
class Context:
    """What a case is given.

    Attributes:
        rng: all of its chances.
        folder: of its own, empty.
        canary: to name in hostile values.
        call: runs a tool.
    """

    rng: random.Random
    folder: Path
    canary: Canary
    call: Callable[..., Outcome]


Case = Callable[[Context], str]


def run_cases(case: Case, cases: int, seed: int, in_processes: int = 0) -> tuple[Counter[str], list[str]]:
    """Runs a fuzzer.

    Args:
        case: makes a file, gives it to a tool and returns a name for what happened.
        cases: number of cases.
        seed: of the first case; the others follow.
        in_processes: number of cases that are run in a process of their own.

    Returns:
        Number of cases by outcome, and what went wrong, a line for each case.
    """
    MMLogger.get_instance("mmengine").setLevel("ERROR")
    outcomes: Counter[str] = Counter()
    failures = []
    with tempfile.TemporaryDirectory() as top:
        canary = Canary(Path(top))
        try:
            for number in range(cases):
                folder = Path(top, f"case_{number}")
                folder.mkdir()
                run = call_in_process if number < in_processes else call
                try:
                    outcome = case(Context(random.Random(seed + number), folder, canary, run))
                    canary.check()
                    outcomes[outcome] += 1
                except Failure as failure:
                    outcomes["FAILED"] += 1
                    failures.append(f"seed {seed + number}: {failure}")
                    canary.file.unlink(missing_ok=True)
                    sys.modules.pop(MODULE, None)
        finally:
            canary.close()
    return outcomes, failures


def run_from_command_line(case: Case, description: str) -> None:
    """A fuzzer's command line: runs it, prints a table, and ends with status 1 if a case failed."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500, help="number of cases (default: 500)")
    parser.add_argument("--seed", type=int, default=0, help="of the first case (default: 0)")
    parser.add_argument(
        "--processes", type=int, default=3, help="cases that run in a process of their own (default: 3)"
    )
    args = parser.parse_args()
    start = time.monotonic()
    outcomes, failures = run_cases(case, args.cases, args.seed, args.processes)
    width = max(map(len, outcomes), default=0)
    for outcome, count in sorted(outcomes.items(), key=lambda item: -item[1]):
        print(f"{outcome:<{width}}  {count:>5}")
    print(f"{args.cases} cases, {len(failures)} failed, {time.monotonic() - start:.0f} s")
    print("\n".join(failures), end="\n" if failures else "")
    sys.exit(bool(failures))


def check_refused(outcome: Outcome, folder: Path) -> None:
    """Raises :class:`Failure` unless a tool said in one line what is wrong, and wrote nothing into ``folder``."""
    expect(outcome.status == 2, f"exit status {outcome.status}: {outcome.errors[-3000:]}")
    expect(len(outcome.line) < 4000, "the line is too long to read")
    left = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    expect(not left, f"refused, but {left} is left")
