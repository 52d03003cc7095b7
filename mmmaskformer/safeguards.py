"""What makes a run safer without being needed to run: checks, errors that name files, and files written whole.

Applied to the whole process by the tools of this package, by each run whose config or model names a part of it, and by
``custom_hooks = [dict(type="mmmaskformer.SafeguardsHook")]`` in any other config.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from .files import atomic_open, decoding
from .runner_checks import check_data_in_every_runner

_state = {"installed": False}


def install() -> None:
    """Apply all safeguards to this process; calling it again changes nothing.

    - Checkpoints and logs are written under a temporary name and renamed.
    - A Runner checks class names, sizes and ground truth (:class:`~mmmaskformer.engine.SafeguardsHook`), and refuses
      data on which it would train in vain.
    - A corrupt image or label map is named, and a label map of another size than its image is refused.
    - A data set refuses a string where a list of class names belongs.
    """
    if _state["installed"]:
        return
    _state["installed"] = True
    write_files_atomically()
    check_data_in_every_runner()
    name_files_that_cannot_be_read()
    check_pairs_when_loaded()
    check_class_names_of_every_dataset()


def safeguarding(register_hooks: Callable) -> Callable:
    """Return a Runner's ``register_hooks`` that adds the safeguards' hook if they are on or the run is one of ours.

    Args:
        register_hooks: of MMEngine's ``Runner`` or ``FlexibleRunner``.
    """

    @functools.wraps(register_hooks)
    def registering(self: Any, default_hooks: dict | None = None, custom_hooks: list | None = None) -> None:
        from .engine.hooks import SafeguardsHook

        register_hooks(self, default_hooks, custom_hooks)
        wanted = _state["installed"] or names_a_part_of_ours(self)
        if wanted and not any(isinstance(hook, SafeguardsHook) for hook in self._hooks):
            self.register_hook(SafeguardsHook())

    return registering


def names_a_part_of_ours(runner: Any) -> bool:
    """Whether a Runner's config or model has a part of this package.

    Args:
        runner: with its model, or the model's config where it is not built yet.
    """
    from .engine.training_data import uses_this_package

    return uses_this_package(runner.model) or uses_this_package(dict(runner.cfg))


def write_files_atomically() -> None:
    """Make MMEngine write files under a temporary name and rename them.

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


def name_files_that_cannot_be_read() -> None:
    """Make a corrupt image or label map an error that says which file it is.

    The loading transforms let the decoder's own error through ("cannot identify image file <_io.BytesIO ...>"), and a
    data loader's worker does not say which sample it was at.
    """
    from mmcv.transforms import LoadAnnotations, LoadImageFromFile

    for loader, what, key in ((LoadImageFromFile, "image", "img_path"), (LoadAnnotations, "label map", "seg_map_path")):
        loader.transform = _naming_the_file(loader.transform, what, key)


def _naming_the_file(original: Callable, what: str, key: str) -> Callable:
    @functools.wraps(original)
    def transform(self: Any, results: dict) -> Any:
        with decoding(what, results.get(key)):
            return original(self, results)

    return transform


def check_pairs_when_loaded() -> None:
    """Make every transform that loads a label map compare it with its image.

    That is where both sizes are known: a later crop or padding hides the difference. Which transform loads the map,
    and for which data set, does not matter, so the check stands in the call that all transforms share.
    """
    from mmcv.transforms import BaseTransform

    from .pairs import check_loaded_label_map, warn_of_turned_photo

    original = BaseTransform.__call__

    @functools.wraps(original)
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

    BaseTransform.__call__ = __call__


def check_class_names_of_every_dataset() -> None:
    """Make every data set refuse ``classes=("cell")`` when it is built.

    mmseg and mmdet go on with four classes of one letter each.
    """
    from mmengine.dataset import BaseDataset

    from .labels import check_class_names

    original = BaseDataset._load_metainfo.__func__

    @functools.wraps(original)
    def _load_metainfo(cls: type, metainfo: Any = None) -> dict:
        loaded = original(cls, metainfo)
        check_class_names(cls.__name__, loaded)
        return loaded

    BaseDataset._load_metainfo = classmethod(_load_metainfo)
