"""Errors whose cure is in the user's hands, and how the command-line tools show them."""

from __future__ import annotations

import difflib
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

TRACEBACK_VARIABLE = "MMMASKFORMER_TRACEBACK"
LONGEST_MESSAGE = 2000


class UserError(ValueError):
    """A mistake in a config, a path, a file or a call; the message says what is wrong, its value and how to fix it.

    The package raises it wherever the user can put the matter right. Of other exceptions, a ``ValueError`` among them,
    the tools show the traceback; :func:`explain` has the few of other packages that they put into one line.

    The message is one line, whatever the names and values of a file that stand in it. An error of a data loader's
    worker, which torch raises again with the worker's traceback as its message, keeps that traceback.
    """

    def __str__(self) -> str:
        text = super().__str__()
        return text if is_from_worker(text) else printable(text, LONGEST_MESSAGE)


class NotFiniteError(UserError, FloatingPointError):
    """A prediction that is not finite: the training has diverged, or an image is not finite."""


def is_from_worker(text: str) -> bool:
    """Whether a message is what a data loader sends for an error in one of its worker processes."""
    return text.startswith("Caught ") and "Original Traceback" in text


def printable(text: str, longest: int | None = None) -> str:
    """Return the text in one line that a terminal shows as it is.

    Args:
        text: what may hold line breaks, control characters and halves of surrogate pairs; these become escapes.
        longest: number of characters that are kept, if not all.
    """
    if longest is not None and len(text) > longest:
        text = text[:longest] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn user errors in the block into one line on stderr and exit status 2; other errors keep their traceback.

    ``MMMASKFORMER_TRACEBACK=1`` in the environment shows every traceback. SIGTERM ends the block like Ctrl-C, so that
    temporary files are removed on the way out.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        message = explain(error)
        if message is None or os.environ.get(TRACEBACK_VARIABLE):
            raise
        rank = os.environ.get("RANK", "0")
        where = "" if rank == "0" else f" (rank {rank})"
        print(f"error{where}: {printable(message, LONGEST_MESSAGE)}", file=sys.stderr)
        sys.exit(2)


def explain(error: BaseException) -> str | None:
    """Return what to tell the user about ``error``, or None where it looks like a defect and a traceback helps more."""
    text = str(error)
    if is_from_worker(text):
        last = re.match(r"([\w.]+): (.*)", text.strip().splitlines()[-1])
        return last[2] if last and ("UserError" in last[1] or isinstance(error, FileNotFoundError)) else None
    if isinstance(error, UserError):
        return text
    if isinstance(error, KeyError) and (unknown := _explain_unknown_type(text)):
        return unknown
    if isinstance(error, FileNotFoundError):
        return f"{error.filename} does not exist" if error.filename else text
    # The registry calls a class with the config's keys, so that a wrong key shows as a wrong argument below it.
    if isinstance(error, TypeError) and re.search(r"__init__\(\) (got an unexpected|missing)", text):
        return f"the config does not fit a class it names: {text}"
    return None


def listed(items: Iterable, most: int = 5, separator: str = ", ") -> str:
    """Return the first few of some things for a message, and dots where there are more."""
    items = [str(item) for item in items]
    return separator.join(items[:most] + ["..."] * (len(items) > most))


def suggest(name: str, known: Iterable[str], part: Callable[[str], str] = str) -> str:
    """Return the names in ``known`` that are close to ``name``, as half a sentence to append; empty where none is.

    Args:
        name: what the user wrote.
        known: what there is.
        part: the part of a name that is compared, the whole by default. Small and capital letters count as the same.
    """
    by_part = {part(candidate).casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(part(name).casefold(), by_part, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(by_part[key] for key in close)}?" if close else ""


def bare_type(name: str) -> str:
    """Return a type's name without its scope, which users leave out or get wrong."""
    return name.rpartition(".")[2]


def _explain_unknown_type(text: str) -> str | None:
    found = re.search(r"(\S+) is not in the (?:\S+::)?([\w ]+) registry", text)
    if found is None:
        return None
    from mmengine import registry as registries
    from mmengine.registry import Registry

    known = []
    for root in vars(registries).values():
        if isinstance(root, Registry) and root.name == found[2]:
            pending = [root]
            while pending:
                registry = pending.pop()
                prefix = "" if registry.scope in ("mmengine", "mmseg") else f"{registry.scope}."
                known += [prefix + name for name in registry.module_dict]
                pending += registry.children.values()
    name = found[1].strip("\"'")
    return f"no {found[2]} has the type '{name}'{suggest(name, known, bare_type)}"
