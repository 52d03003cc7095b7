"""What the OpenMMLab stack needs to run with this package; one function per reason.

Nothing here imports the stack. Each function changes one module of it, right after that module is imported, or at
once where it is imported already (:mod:`.import_watch`). So ``import mmmaskformer`` is fast, and its place among the
imports of a script does not matter. What makes a run safer, but is not needed, is in :mod:`.safeguards`.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, NoReturn

from . import import_watch

NO_MMCV = (
    "mmmaskformer needs mmcv, in one of two forms that must not be installed together: "
    "mmcv-lite, which needs no compiler (pip install 'mmmaskformer[lite]'), or full mmcv with its compiled ops "
    "(pip install mmcv==2.1.0 where a wheel exists for your torch, else it is compiled)."
)


class _MissingOps(ModuleType):
    """Stands in for ``mmcv._ext``: has every op by name, and each one says so when it is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing_op(*args: Any, **kwargs: Any) -> NoReturn:
            raise RuntimeError(
                f"the compiled op '{name}' is not in mmcv-lite. Install full mmcv in its place: "
                "pip uninstall -y mmcv-lite && pip install mmcv==2.1.0"
            )

        missing_op.__name__ = name
        return missing_op


def provide_missing_ops() -> None:
    """Lets ``mmseg.models`` and ``mmdet`` import over mmcv-lite.

    Both import ``mmcv.ops`` at import time, which asks for the compiled ``mmcv._ext``. A compiled one is left alone.
    Without any mmcv nothing is done: ``mmmaskformer.core`` does not need it.
    """
    if "mmcv._ext" in sys.modules:
        return
    mmcv = importlib.util.find_spec("mmcv")
    if mmcv is None or mmcv.submodule_search_locations is None:
        return
    if PathFinder.find_spec("mmcv._ext", list(mmcv.submodule_search_locations)) is not None:
        return
    placeholder = _MissingOps("mmcv._ext", "Placeholder by mmmaskformer: mmcv-lite has no compiled ops.")
    # A spec without a loader: MMEngine's mmcv_full_available() needs one to ask, and then rightly says no.
    placeholder.__spec__ = ModuleSpec("mmcv._ext", loader=None)
    sys.modules["mmcv._ext"] = placeholder


@contextmanager
def explaining_a_missing_mmcv() -> Iterator[None]:
    """Says how to install mmcv where the block fails because there is none.

    Raises:
        ImportError: there is neither mmcv nor mmcv-lite.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "mmcv":
            raise
        raise ImportError(NO_MMCV) from error


def read_checkpoints_as_data(checkpoint: ModuleType) -> None:
    """Make MMEngine read checkpoints with :mod:`mmmaskformer.checkpoint.loading`.

    torch >= 2.6 loads with ``weights_only=True``, which refuses the NumPy scalars and history buffers in MMEngine's
    message hub. Torch's safe globals would allow them in all files that the process reads.

    Args:
        checkpoint: ``mmengine.runner.checkpoint``.
    """
    from .checkpoint.loading import TorchThatLoadsData, load, load_url

    # A module's own names come before those of others: all of its loaders call these.
    checkpoint.torch = TorchThatLoadsData("torch")  # type: ignore[attr-defined]
    checkpoint.load_url = load_url  # type: ignore[attr-defined]
    if hasattr(checkpoint, "_safe_torch_load"):  # the onedl fork's, which falls back to running code
        checkpoint._safe_torch_load = load


def resume_without_running_configs(checkpoint: ModuleType) -> None:
    """Take ``meta["config"]`` out of what MMEngine loads, which its Runner would run as a program when it resumes.

    MMCV's runners wrote it; MMEngine's write ``meta["cfg"]``, and only compare the number of GPUs with the older one.

    Args:
        checkpoint: ``mmengine.runner.checkpoint``.
    """
    original = checkpoint.CheckpointLoader.load_checkpoint.__func__

    @functools.wraps(original)
    def load_checkpoint(cls: type, *args: Any, **kwargs: Any) -> Any:
        loaded = original(cls, *args, **kwargs)
        meta = loaded.get("meta") if isinstance(loaded, dict) else None
        if isinstance(meta, dict):
            meta.pop("config", None)
        return loaded

    checkpoint.CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)


def name_packages_of_configs(utils: ModuleType) -> None:
    """Lets ``_base_ = 'mmmaskformer::_base_/...'`` name this package, of which MMEngine's list knows nothing.

    It also looks for mmseg as the distribution ``mmsegmentation``, which the onedl stack has under another name; the
    module's name finds it in both.

    Args:
        utils: ``mmengine.config.utils``.
    """
    utils.MODULE2PACKAGE.update({__package__: __package__, "mmseg": "mmseg"})


def find_configs_of_this_package(module: ModuleType) -> None:
    """Lets MMEngine find this package's configs: it looks for an editable install in site-packages, where it is not.

    Args:
        module: ``mmengine.config.config`` or ``mmengine.hub.hub``, which call ``get_installed_path``.
    """
    original = module.get_installed_path

    def get_installed_path(name: str) -> str:
        return os.path.dirname(__file__) if name == __package__ else original(name)

    module.get_installed_path = get_installed_path  # type: ignore[attr-defined]


def inherit_configs_of_this_package(module: ModuleType) -> None:
    """Let a config inherit one of this package's as it is.

    MMEngine marks what a config inherits from another package with that package's scope, in which mmseg's and mmdet's
    bare type names are not found. This package's configs say their scope themselves, in ``default_scope``.

    Args:
        module: ``mmengine.config.config``.
    """
    original = module.Config._get_cfg_path

    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        path, scope = original(cfg_path, filename)
        return path, None if scope == __package__ else scope

    module.Config._get_cfg_path = staticmethod(get_cfg_path)


def checkpoint_activations_with_all_gradients(module: ModuleType) -> None:
    """Make ``activation_checkpointing`` right for every module; see :mod:`.engine.activation_checkpointing`.

    Args:
        module: ``mmengine.runner.activation_checkpointing``.
    """

    def wrap_forward(forward: Callable) -> Callable:
        from .engine.activation_checkpointing import checkpointed

        return checkpointed(forward)

    module.wrap_forward = wrap_forward  # type: ignore[attr-defined]


def safeguard_runs_of_this_package(module: ModuleType) -> None:
    """Give the safeguards to each run whose config or model names a part of this package; others stay as they are.

    A stock script of mmseg or mmdet has no line of ours, but a config with a part of ours is to get clear errors in it.

    Args:
        module: ``mmengine.runner.runner`` or ``mmengine.runner._flexible_runner``.
    """
    from .safeguards import safeguarding

    runner = getattr(module, "Runner", None) or module.FlexibleRunner
    runner.register_hooks = safeguarding(runner.register_hooks)


CHANGES = {
    "mmengine.config.utils": [name_packages_of_configs],
    "mmengine.config.config": [find_configs_of_this_package, inherit_configs_of_this_package],
    "mmengine.hub.hub": [find_configs_of_this_package],
    "mmengine.runner.checkpoint": [read_checkpoints_as_data, resume_without_running_configs],
    "mmengine.runner.activation_checkpointing": [checkpoint_activations_with_all_gradients],
    "mmengine.runner.runner": [safeguard_runs_of_this_package],
    "mmengine.runner._flexible_runner": [safeguard_runs_of_this_package],
}


def install() -> None:
    """Apply all of the above, now or when the modules are imported; calling it again changes nothing."""
    provide_missing_ops()
    import_watch.change_when_imported(CHANGES)
