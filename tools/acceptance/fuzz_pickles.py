#!/usr/bin/env python
"""Tries the reader of ``.pkl`` and ``.pth`` files on good, damaged and hostile ones.

A good file must come back equal. A hostile one must end in one line, a damaged one in that or in plain data. Each case
runs in a process of limited memory, with a file that nothing may create and an audit of what Python does.
"""

from __future__ import annotations

import argparse
import codecs
import io
import pickletools
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from checkpoint_values import find_foreign, random_value, same, to_pickle, to_torch
from forked import run_forked
from hostile_arrays import bomb, false_array
from hostile_pickles import CALLS, attributes, call, whole
from hostile_tensors import false_archive, false_end, false_tensor, legacy, write_archive, zipped

from mmmaskformer.checkpoint.formats import read_checkpoint, read_file
from mmmaskformer.errors import UserError

CANARY = "was_here"
MEMORY = 1 << 30  # bytes on top of the process's own
SECONDS = 5  # of the processor for a case
PATIENCE = 60  # seconds on the clock
LONGEST_MESSAGE = 1000
KINDS = ("pkl", "zip", "legacy")
WATCHED = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "exec", "import")


@dataclass
class Case:
    """A file.

    Attributes:
        what: its category, for the table.
        data: its bytes.
        wanted: ``"equal"``, ``"refused"``, or ``"plain"`` where plain data will do as well.
        truth: what an equal one holds.
    """

    what: str
    data: bytes
    wanted: str
    truth: Any = None


def make_cases(count: int, seed: int) -> Iterator[Case]:
    """The cases of a seed; each category comes as often as the others."""
    for index in range(count):
        random = Random(f"{seed} {index}")
        kind = KINDS[index % len(KINDS)]
        yield (_good, _damaged, _changed, _hostile)[index // len(KINDS) % 4](kind, random)


def _good(kind: str, random: Random) -> Case:
    truth = {"model": random_value(random, kind != "pkl"), "n": 1}
    data = _write(truth, kind, random)
    if random.random() < 0.5:  # as the other major version of NumPy writes it
        here, there = (
            (b"numpy._core.", b"numpy.core.") if b"numpy._core." in data else (b"numpy.core.", b"numpy._core.")
        )
        if kind == "pkl" and b"\x95" not in data[:3] and b"\x8c" not in data:
            data = data.replace(here, there)
    return Case(f"good {kind}", data, "equal", truth)


def _damaged(kind: str, random: Random) -> Case:
    """Random changes of bytes."""
    data = bytearray(_good(kind, random).data)
    for _ in range(random.choice((1, 1, 2, 8))):
        at, length = random.randrange(len(data)), random.choice((1, 1, 4, 50))
        way = random.randrange(5)
        if way == 0:
            data[at] ^= 1 << random.randrange(8)
        elif way == 1:
            data[at : at + length] = random.randbytes(length)
        elif way == 2:
            del data[max(1, at) : at + length]
        elif way == 3:
            data[at:at] = data[random.randrange(len(data)) :][:length]
        else:
            del data[max(1, at) :]
    return Case(f"damaged {kind}", bytes(data), "plain")


def _changed(kind: str, random: Random) -> Case:
    """Random changes of a pickle's operations, in a file that is whole."""
    data = _good(kind, random).data
    pickled = _pickle_of(data, kind)
    starts = [position for _, _, position in pickletools.genops(pickled)]
    parts = [pickled[start:end] for start, end in zip(starts, [*starts[1:], len(pickled)])]
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        at, other = random.randrange(len(parts)), random.randrange(len(parts))
        way = random.randrange(6)
        if way == 0:
            del parts[at]
        elif way == 1:
            parts.insert(at, parts[other])
        elif way == 2:
            parts[at], parts[other] = parts[other], parts[at]
        elif way == 3:
            parts[at] = random.choice(pickletools.opcodes).code.encode("latin1") + parts[at][1:]
        elif way == 4:
            parts[at] = random.choice((b"\x8a\x08" + random.randbytes(8), b"M\xff\xff", b"K\0", b"N", b")", b"\x88"))
        else:
            module, _, name = random.choice(CALLS).rpartition(".")
            parts[at] = f"c{module}\n{name}\n".encode()
        parts = parts or [b"."]
    return Case(f"changed {kind}", _replace(data, kind, pickled, b"".join(parts)), "plain")


def _hostile(kind: str, random: Random) -> Case:
    ways = [(call, "refused"), (attributes, "plain"), (false_array, "refused"), (bomb, "plain")]
    if kind != "pkl" and random.random() < 0.5:
        if random.random() < 0.3:
            data, wanted = (false_archive(random), "plain") if kind == "zip" else (false_end(random), "refused")
            return Case(f"hostile {kind}", data, wanted)
        tensors = false_tensor(random, kind == "legacy")
        return Case(f"hostile {kind}", (legacy if kind == "legacy" else zipped)(tensors), "refused")
    make, wanted = random.choice(ways)
    return Case(f"hostile {kind}", _wrap(whole(make(random, CANARY)), kind, random), wanted)


def _write(value: Any, kind: str, random: Random) -> bytes:
    if kind == "pkl":
        return to_pickle(value, random.randint(0, 5))
    return to_torch(value, kind == "legacy", random.choice((2, 2, 2, 3, 4, 5)))


def _pickle_of(data: bytes, kind: str) -> bytes:
    """The pickle in a file, which holds the content."""
    if kind == "zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.read("archive/data.pkl")
    stream = io.BytesIO(data)
    if kind == "legacy":
        for _ in range(3):
            _skip(stream)
    start = stream.tell()
    _skip(stream)
    return data[start : stream.tell()]


def _replace(data: bytes, kind: str, old: bytes, new: bytes) -> bytes:
    """A file with another pickle in place of its own."""
    if kind != "zip":
        before, _, after = data.rpartition(old)
        return before + new + after
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        return write_archive([(name, new if name == "archive/data.pkl" else archive.read(name)) for name in names])


def _skip(stream: io.BytesIO) -> None:
    for _ in pickletools.genops(stream):
        pass


def _wrap(pickled: bytes, kind: str, random: Random) -> bytes:
    """A file with a pickle of our own."""
    if kind == "pkl":
        return pickled
    storage = random.randbytes(64)
    return zipped(pickled, storage) if kind == "zip" else legacy(pickled, storage)


class Audit:
    """Notes what Python is asked to do while a file is read."""

    def __init__(self) -> None:
        self.active, self.seen = False, ""
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if self.active and (writes or event.startswith(WATCHED)):
            self.active, self.seen = False, f"{event} {arguments!r:.100}"


class Runner:
    """Reads the file of a case and says how it ended.

    Args:
        folder: for the file, and to find out whether anything else is there afterwards.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ready(self) -> None:
        """What a fork needs before its first case."""
        self.audit = Audit()
        self.globals = set(torch.serialization.get_safe_globals())
        for data in (to_torch({"a": torch.ones(1)}, False), to_torch({}, True), to_pickle({}, 4)):
            self._read(data)  # imports what is imported late
        for codec in ("ascii", "cp437", "latin1", "raw_unicode_escape", "unicode_escape", "utf-32-le"):
            codecs.lookup(codec)  # which is imported when it is used
        self.audit.seen = ""

    def __call__(self, case: Case) -> str:
        start = time.process_time()
        try:
            ended, content = self._read(case.data)
        except UserError as error:
            message = str(error)
            if "\n" in message or len(message) > LONGEST_MESSAGE or "case.bin" not in message:
                return f"failed: its message is not one line: {message!r:.300}"
            ended, content = "refused", None
        except BaseException as error:
            return f"failed: {type(error).__name__}: {error}"[:300]
        finally:
            self.audit.active = False
        if time.process_time() - start > SECONDS:
            return f"failed: it took {time.process_time() - start:.1f} s of the processor"
        if self.audit.seen:
            seen, self.audit.seen = self.audit.seen, ""
            return f"failed: it made Python do {seen}"
        if [path.name for path in self.folder.iterdir()] != ["case.bin"]:
            return "failed: it left a file"
        if set(torch.serialization.get_safe_globals()) != self.globals:
            return "failed: torch's safe globals are others"
        if ended == "read" and (foreign := find_foreign(content)):
            return f"failed: it holds {foreign}"
        if case.wanted == "equal" and not (ended == "read" and same(content, case.truth)):
            return f"failed: {ended}, and not equal"
        if case.wanted == "refused" and ended == "read":
            return "failed: it was read"
        return ended

    def _read(self, data: bytes) -> tuple[str, Any]:
        path = self.folder / "case.bin"
        path.write_bytes(data)
        self.audit.active = True
        content = read_file(path)
        try:
            read_checkpoint(path)
        except UserError as error:
            if "\n" in str(error):
                raise
        self.audit.active = False
        return "read", content


def main(arguments: list[str] | None = None) -> int:
    """Runs the cases and prints a table; the result is the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    cases = list(make_cases(options.cases, options.seed))
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(Path(folder))
        outcomes = run_forked(cases, runner, memory=MEMORY, seconds=PATIENCE, ready=runner.ready)
    table = Counter((case.what, outcome.partition(":")[0]) for case, outcome in zip(cases, outcomes))
    print(f"{'file':16} {'read':>6} {'refused':>8} {'failed':>7}")
    for what in sorted({case.what for case in cases}):
        print(f"{what:16} {table[what, 'read']:6} {table[what, 'refused']:8} {table[what, 'failed']:7}")
    failed = [(index, outcome) for index, outcome in enumerate(outcomes) if outcome.startswith("failed")]
    for index, outcome in failed:
        print(f"case {index} ({cases[index].what}) {outcome}")
    print(f"{len(cases)} cases of seed {options.seed}: {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
