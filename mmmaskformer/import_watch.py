"""Changing modules of other packages right after they are imported, without importing them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Change = Callable[[ModuleType], None]


def change_when_imported(changes: Mapping[str, Sequence[Change]]) -> None:
    """Apply changes to modules: at once where a module is imported already, else as soon as it is.

    Args:
        changes: names of modules, and what is called with each of them. Names that were given before are left out.
    """
    watcher = next((finder for finder in sys.meta_path if isinstance(finder, _Watcher)), None)
    if watcher is None:
        watcher = _Watcher()
        sys.meta_path.insert(0, watcher)
    for name in changes.keys() - watcher.known:
        watcher.known.add(name)
        if name in sys.modules:
            _apply(changes[name], sys.modules[name])
        else:
            watcher.pending[name] = changes[name]


def _apply(changes: Sequence[Change], module: ModuleType) -> None:
    for change in changes:
        change(module)


class _Watcher(MetaPathFinder):
    """Finds a watched module where the other finders do, and has it loaded by a loader that applies the changes."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.pending: dict[str, Sequence[Change]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self.pending:
            return None
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _ChangingLoader(spec.loader, self)
        return spec


class _ChangingLoader(Loader):
    """Stands before a module's own loader until the module is imported."""

    def __init__(self, loader: Loader, watcher: _Watcher) -> None:
        self.loader = loader
        self.watcher = watcher

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        # Afterwards nothing of this is left in the module.
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        # Only now: an import that fails may be tried again.
        _apply(self.watcher.pending.pop(module.__name__, ()), module)
