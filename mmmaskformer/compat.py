"""What the OpenMMLab stack needs to run without compiled ops and on current PyTorch; one function a reason."""

from __future__ import annotations

import functools
import importlib.util
import os
import pickle
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, NoReturn

from .errors import UserError
from .files import atomic_open

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

    Both import ``mmcv.ops`` at import time, which asks for the compiled ``mmcv._ext``. A compiled one, where there
    is one, is left alone.

    Raises:
        ImportError: There is neither mmcv nor mmcv-lite.
    """
    if "mmcv._ext" in sys.modules:
        return
    mmcv = importlib.util.find_spec("mmcv")
    if mmcv is None or mmcv.submodule_search_locations is None:
        raise ImportError(NO_MMCV)
    if PathFinder.find_spec("mmcv._ext", list(mmcv.submodule_search_locations)) is not None:
        return
    placeholder = _MissingOps("mmcv._ext", "Placeholder by mmmaskformer: mmcv-lite has no compiled ops.")
    # A spec without a loader: MMEngine's mmcv_full_available() needs one to ask, and then rightly says no.
    placeholder.__spec__ = ModuleSpec("mmcv._ext", loader=None)
    sys.modules["mmcv._ext"] = placeholder


def allow_mmengine_checkpoints() -> None:
    """Lets ``torch.load`` read what MMEngine saves: the message hub holds NumPy scalars and history buffers.

    torch >= 2.6 loads with ``weights_only=True``, which refuses every class it was not told about.
    """
    import numpy as np
    import torch
    from mmengine.logging.history_buffer import HistoryBuffer

    if not hasattr(torch.serialization, "add_safe_globals"):  # torch < 2.4 does not ask
        return

    def method_of_history_buffer(owner: type, name: str) -> Any:
        if owner is not HistoryBuffer:
            raise pickle.UnpicklingError(
                f"a checkpoint may look up methods of HistoryBuffer only, not {name!r} of {owner!r}"
            )
        return getattr(owner, name)

    # Each with its name: the onedl fork of MMEngine adds some without before it loads, and removes those afterwards.
    kinds = (HistoryBuffer, np.ndarray, np.dtype, *(type(np.dtype(kind)) for kind in "?bBhHiIlLqQefdUS"))
    allowed: list[Any] = [(kind, f"{kind.__module__}.{kind.__qualname__}") for kind in kinds]
    # A history buffer saves its own methods, which pickle spells as a getattr(): allowed for this class alone.
    allowed.append((method_of_history_buffer, "builtins.getattr"))
    multiarray = sys.modules[np.zeros(1).__reduce__()[0].__module__]  # its name differs between NumPy 1 and 2
    for function in (multiarray._reconstruct, multiarray.scalar):
        # Checkpoints written under the other major version of NumPy name the same function differently.
        allowed += [(function, f"{core}.multiarray.{function.__name__}") for core in ("numpy.core", "numpy._core")]
    torch.serialization.add_safe_globals(allowed)


def write_checkpoints_atomically() -> None:
    """Makes MMEngine write files under a temporary name and rename them.

    It writes in place, so that a run killed while saving leaves half a checkpoint under the name that
    ``--resume`` then reads.
    """
    from mmengine.fileio import LocalBackend
    from mmengine.hooks import checkpoint_hook

    def put(self: LocalBackend, obj: bytes, filepath: str | os.PathLike) -> None:
        os.makedirs(os.path.dirname(filepath) or ".", exist_ok=True)
        with atomic_open(filepath, "wb", sync=True) as file:
            file.write(obj)

    def put_text(self: LocalBackend, obj: str, filepath: str | os.PathLike, encoding: str = "utf-8") -> None:
        os.makedirs(os.path.dirname(filepath) or ".", exist_ok=True)
        with atomic_open(filepath, "w", encoding=encoding) as file:
            file.write(obj)

    LocalBackend.put = put
    LocalBackend.put_text = put_text
    # The hook writes `last_checkpoint` with a bare open(): a module's own name comes before the builtin.
    checkpoint_hook.open = atomic_open


def check_dataset_meta_in_every_runner() -> None:
    """Adds :class:`~mmmaskformer.engine.DatasetMetaCheckHook` to MMEngine's default hooks.

    A Runner builds the model before any data set, so a wrong number of classes shows as a device assert in the
    middle of training; a plain mmseg script, which has no line of ours, is to get the clear error as well.
    """
    from mmengine.runner import FlexibleRunner, Runner

    for runner in (Runner, FlexibleRunner):
        original = runner.register_default_hooks
        if getattr(original, "checks_dataset_meta", False):
            continue

        def register_default_hooks(self: Any, hooks: dict | None = None, original: Any = original) -> None:
            original(self, hooks)
            self.register_hook(dict(type="mmmaskformer.DatasetMetaCheckHook"))

        functools.update_wrapper(register_default_hooks, original)
        register_default_hooks.checks_dataset_meta = True
        runner.register_default_hooks = register_default_hooks


def name_files_that_cannot_be_read() -> None:
    """Makes a corrupt image or label map an error that says which file it is.

    The loading transforms let the decoder's own error through ("cannot identify image file <_io.BytesIO ...>"), and a
    data loader's worker does not say which sample it was at.
    """
    import cv2
    from mmcv.transforms import LoadAnnotations, LoadImageFromFile

    for loader, what, key in ((LoadImageFromFile, "image", "img_path"), (LoadAnnotations, "label map", "seg_map_path")):
        original = loader.transform
        if getattr(original, "names_the_file", False):
            continue

        def transform(self: Any, results: dict, original: Any = original, what: str = what, key: str = key) -> Any:
            try:
                return original(self, results)
            except FileNotFoundError:
                raise
            # What OpenCV and Pillow raise on broken files, and MMCV's assertion on an image that came back empty.
            except (OSError, SyntaxError, AssertionError, cv2.error) as error:
                raise UserError(f"the {what} {results.get(key)} cannot be decoded; is the file whole?") from error

        functools.update_wrapper(transform, original)
        transform.names_the_file = True
        loader.transform = transform


def name_configs_of_packages() -> None:
    """Lets ``_base_ = 'mmmaskformer::_base_/...'`` and MMEngine's ``get_config`` find this package's configs.

    MMEngine has a fixed list of packages, and looks for an editable install in site-packages, where it is not. It also
    looks for mmseg as the distribution ``mmsegmentation``, which the onedl stack has under another name; the module's
    name finds it in both.
    """
    from mmengine.config import config, utils
    from mmengine.hub import hub

    package = __package__
    utils.MODULE2PACKAGE.update({package: package, "mmseg": "mmseg"})
    for module in (config, hub):
        original = module.get_installed_path
        if getattr(original, "knows_us", False):
            continue

        def get_installed_path(name: str, original: Any = original) -> str:
            return os.path.dirname(__file__) if name == package else original(name)

        get_installed_path.knows_us = True
        module.get_installed_path = get_installed_path


def resume_without_running_configs() -> None:
    """Takes ``meta["config"]`` out of what MMEngine loads, which its Runner would run as a program when it resumes.

    MMCV's runners wrote it; MMEngine's write ``meta["cfg"]``, and only compare the number of GPUs with the older one.
    """
    from mmengine.runner.checkpoint import CheckpointLoader

    original = CheckpointLoader.load_checkpoint.__func__
    if getattr(original, "runs_no_config", False):
        return

    @functools.wraps(original)
    def load_checkpoint(cls: type, *args: Any, **kwargs: Any) -> Any:
        checkpoint = original(cls, *args, **kwargs)
        meta = checkpoint.get("meta") if isinstance(checkpoint, dict) else None
        if isinstance(meta, dict):
            meta.pop("config", None)
        return checkpoint

    load_checkpoint.runs_no_config = True
    CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)


def install() -> None:
    """Applies all of the above; calling it again changes nothing."""
    provide_missing_ops()
    allow_mmengine_checkpoints()
    write_checkpoints_atomically()
    check_dataset_meta_in_every_runner()
    name_files_that_cannot_be_read()
    name_configs_of_packages()
    resume_without_running_configs()
