"""What the OpenMMLab stack needs to run without compiled ops and on current PyTorch; one function a reason."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, NoReturn

from .errors import UserError
from .files import atomic_open
from .runner_checks import check_data_in_every_runner

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


def read_checkpoints_as_data() -> None:
    """Makes MMEngine read checkpoints with :mod:`mmmaskformer.checkpoint.loading`.

    torch >= 2.6 loads with ``weights_only=True``, which refuses the NumPy scalars and history buffers in MMEngine's
    message hub. Torch's safe globals would allow them in all files that the process reads.
    """
    from mmengine.runner import checkpoint

    from .checkpoint.loading import TorchThatLoadsData, load, load_url

    if isinstance(checkpoint.torch, TorchThatLoadsData):
        return
    # A module's own names come before those of others: all of its loaders call these.
    checkpoint.torch = TorchThatLoadsData("torch")
    checkpoint.load_url = load_url
    if hasattr(checkpoint, "_safe_torch_load"):  # the onedl fork's, which falls back to running code
        checkpoint._safe_torch_load = load


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
    """Adds :class:`~mmmaskformer.engine.DatasetMetaCheckHook` and ``GroundTruthCheckHook`` to MMEngine's default hooks.

    A Runner builds the model before any data set, so a wrong number of classes shows as a device assert in the
    middle of training; a plain mmseg script, which has no line of ours, is to get the clear error as well. The same
    for ground truth on which a score means nothing.
    """
    from mmengine.runner import FlexibleRunner, Runner

    for runner in (Runner, FlexibleRunner):
        original = runner.register_default_hooks
        if getattr(original, "checks_dataset_meta", False):
            continue

        def register_default_hooks(self: Any, hooks: dict | None = None, original: Any = original) -> None:
            original(self, hooks)
            for hook in ("DatasetMetaCheckHook", "GroundTruthCheckHook"):
                self.register_hook(dict(type=f"mmmaskformer.{hook}"))

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


def check_pairs_when_loaded() -> None:
    """Makes every transform that loads a label map compare it with its image.

    That is where both sizes are known: a later crop or padding hides the difference. Which transform loads the map,
    and for which data set, does not matter, so the check stands in the call that all transforms share.
    """
    from mmcv.transforms import BaseTransform

    from .pairs import check_loaded_label_map, warn_of_turned_photo

    original = BaseTransform.__call__
    if getattr(original, "checks_pairs", False):
        return

    def __call__(self: Any, results: Any) -> Any:
        if not isinstance(results, dict):
            return original(self, results)
        had_image, had_labels = "img" in results, "gt_seg_map" in results
        results = original(self, results)
        if isinstance(results, dict):
            if not had_image and "img" in results and hasattr(self, "color_type"):
                warn_of_turned_photo(results, self)
            if not had_labels and "gt_seg_map" in results:
                labels, image = (str(results.get(key)) for key in ("seg_map_path", "img_path"))
                check_loaded_label_map(labels, results["gt_seg_map"].shape, image, results.get("ori_shape"))
        return results

    functools.update_wrapper(__call__, original)
    __call__.checks_pairs = True
    BaseTransform.__call__ = __call__


def check_class_names_of_every_dataset() -> None:
    """Makes every data set refuse ``classes=("cell")`` when it is built.

    mmseg and mmdet go on with four classes of one letter each.
    """
    from mmengine.dataset import BaseDataset

    from .labels import check_class_names

    original = BaseDataset._load_metainfo.__func__
    if getattr(original, "checks_class_names", False):
        return

    def _load_metainfo(cls: type, metainfo: Any = None) -> dict:
        loaded = original(cls, metainfo)
        check_class_names(cls.__name__, loaded)
        return loaded

    functools.update_wrapper(_load_metainfo, original)
    _load_metainfo.checks_class_names = True
    BaseDataset._load_metainfo = classmethod(_load_metainfo)


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


def checkpoint_activations_with_all_gradients() -> None:
    """Makes MMEngine's ``activation_checkpointing`` right for every module; see :mod:`.engine.checkpointing`."""
    from mmengine.runner import activation_checkpointing

    from .engine.activation_checkpointing import checkpointed

    activation_checkpointing.wrap_forward = checkpointed


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
    read_checkpoints_as_data()
    write_checkpoints_atomically()
    check_dataset_meta_in_every_runner()
    check_data_in_every_runner()
    name_files_that_cannot_be_read()
    check_pairs_when_loaded()
    check_class_names_of_every_dataset()
    name_configs_of_packages()
    checkpoint_activations_with_all_gradients()
    resume_without_running_configs()
