"""A progress bar with an estimate that also suits a log file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def with_progress(items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """Iterate over ``items``, drawing a bar on stderr: smoothly on a terminal, every few seconds in a log."""
    return iter(tqdm(items, desc=title, total=total, mininterval=0.1 if sys.stderr.isatty() else 5.0))
