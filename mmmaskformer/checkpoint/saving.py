"""Writing converted models: whole files under their names, or none."""

from __future__ import annotations

import json
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mmmaskformer.errors import UserError
from mmmaskformer.files import atomic_open
from mmmaskformer.foreign.literals import comment, emit
from mmmaskformer.labels import default_void

from .architecture import describe_backbone, describe_head
from .classes import ADE20K_ORDER
from .convert import ConvertedModel, to_theirs
from .detectron2 import published_name
from .hf_config import model_config, preprocessor_config
from .keymap import Conversion

TARGETS = ("mmmaskformer", "hf", "detectron2")
HEADER = "# The model of "  # by which a config of an earlier conversion is known, and may be replaced
SUFFIXES = {"mmmaskformer": (".pth",), "detectron2": (".pkl", ".pth"), "hf": ("",)}


def check_destination(path: Path, source: Path, target: str) -> None:
    """Refuse a destination that does not go with the format, or that is the source.

    Raises:
        UserError: names it and what is expected.
    """
    if target == "hf":
        if path.is_file():
            raise UserError(f"{path} is a file; --to hf writes a folder")
    elif path.suffix not in SUFFIXES[target]:
        raise UserError(f"{path}: --to {target} writes a file that ends with {' or '.join(SUFFIXES[target])}")
    elif path.is_dir():
        raise UserError(f"{path} is a folder; --to {target} writes a file")
    if path.exists() and path.resolve() == source.resolve():
        raise UserError(f"{path} is the checkpoint itself: give the result another name")
    config = path.with_suffix(".py")
    if target == "mmmaskformer" and config.exists() and not config.read_text(encoding="utf-8").startswith(HEADER):
        raise UserError(f"{config} exists and is not of a conversion: give the weights another name than {path.name}")


def write_ours(model: ConvertedModel, path: Path) -> list[Path]:
    """Weights, as MMEngine's tools read them, and the config beside them under the same name with ``.py``.

    The config is in the weights' ``meta`` as well, where MMEngine puts that of a training run.

    Raises:
        UserError: the config holds something that is no literal.
    """
    config = path.with_suffix(".py")
    settings = emit(model.config.to_dict(), "the config")
    text = comment(f"{HEADER.removeprefix('# ')}{path.name}, converted from the format {model.format!r}.") + settings
    meta = dict(cfg=settings) | (dict(dataset_meta=model.dataset_meta) if model.dataset_meta else {})
    write_weights(model.weights, path, meta)
    with atomic_open(config, "w", encoding="utf-8") as file:
        file.write(text)
    return [path, config]


def write_weights(weights: Mapping[str, Tensor], path: Path, meta: Mapping | None = None) -> None:
    """Return a checkpoint of MMEngine's kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(path) as file:
        torch.save(dict(meta=dict(meta or {}), state_dict=_own(weights)), file)


def write_detectron2(model: ConvertedModel, path: Path) -> tuple[list[Path], Conversion]:
    """Return the release's file: ``.pkl`` with arrays and the published names, or ``.pth`` with the present ones.

    A pickle states no version of its names, and without one the release's code expects the published ones.
    """
    conversion = to_theirs(model, "detectron2")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(path) as file:
        if path.suffix == ".pkl":
            arrays = {published_name(key): value.cpu().numpy() for key, value in conversion.weights.items()}
            pickle.dump({"model": arrays, "__author__": "mmmaskformer"}, file)
        else:
            state = OrderedDict(_own(conversion.weights))
            state._metadata = OrderedDict({"": {"version": 1}, "sem_seg_head": {"version": 2}})
            torch.save({"model": state}, file)
    return [path], conversion


def write_hf(model: ConvertedModel, folder: Path) -> tuple[list[Path], Conversion]:
    """Return a folder that ``MaskFormerForInstanceSegmentation.from_pretrained`` and ``AutoImageProcessor`` load."""
    from safetensors.torch import save

    conversion = to_theirs(model, "hf")
    classes = model.dataset_meta.get("classes")
    if classes and model.things_first:
        classes = [classes[place] for place in ADE20K_ORDER]
    head = describe_head(model.weights, model.head)
    config = model_config(head, describe_backbone(model.weights), model.settings, classes)
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "model.safetensors": save(_own(conversion.weights), metadata={"format": "pt"}),
        "config.json": _json(config),
        "preprocessor_config.json": _json(preprocessor_config(model.settings, default_void(head.num_classes))),
    }
    for name, content in files.items():
        with atomic_open(folder / name) as file:
            file.write(content)
    return [folder / name for name in files], conversion


def _own(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor with memory of its own: pieces of a larger one would be saved with the whole of it."""
    return {key: value.detach().cpu().clone(memory_format=torch.contiguous_format) for key, value in weights.items()}


def _json(content: Mapping) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()
