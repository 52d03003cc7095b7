"""Checkpoint files and folders of any project, read without running what is in them, and distinguished by content."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from mmmaskformer.errors import UserError, listed
from mmmaskformer.foreign.json_text import read_json
from mmmaskformer.foreign.values import shown

from .hf_folders import file_within, read_index
from .pickles import load_pickle
from .torch_files import BEGINNING, is_torch_file, load_torch

SHARDS = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")
FORMATS = ("detectron2", "hf", "mmseg", "mmdet", "mmmaskformer", "backbone")
# What names look like that MaskFormer does not have.
OTHER_MODELS = {
    "Mask2Former": r"\b(static_query|query_feat|level_embeds?|transformer_cross_attention_layers)\b",
    "DETR": r"\b(bbox_embed|bbox_predictor|bbox_attention|class_labels_classifier)\b|^bbox_head\.(fc_reg|reg_ffn)\.",
}
# What only our heads are called. Those with masked attention have names of Mask2Former's beside it.
OURS = r"^(decode_head|panoptic_head)\.mask_embed\.layers\."
# What the names of heads and of backbones begin with. Ours are called as mmseg's and mmdet's.
HEAD_PREFIXES = {
    "detectron2": "sem_seg_head.",
    "hf": "model.transformer_module.",
    "mmseg": "decode_head.",
    "mmdet": "panoptic_head.",
}
BACKBONES = dict.fromkeys(FORMATS, "backbone.") | {"hf": "model.pixel_level_module.encoder."}
OWN_MODULES = r"(pixel_decoder|transformer_decoder|query_embed|cls_embed|class_embed|mask_embed|classifier)\."


@dataclass
class Checkpoint:
    """What was read.

    Attributes:
        path: where from.
        weights: by their names in the file.
        meta: MMEngine's, with ``dataset_meta``.
        config: Hugging Face's ``config.json``.
        preprocessor: Hugging Face's ``preprocessor_config.json``, where there is one.
    """

    path: Path
    weights: dict[str, Tensor]
    meta: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    preprocessor: Mapping[str, Any] = field(default_factory=dict)


def read_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Read a checkpoint file (``.pkl``, ``.pth``, ``.safetensors``, by its content), or a folder of Hugging Face.

    Raises:
        UserError: it is missing, cut off, refused, or holds no weights.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise UserError(f"checkpoint {path} does not exist")
    weights, meta = _contents(path)
    checkpoint = Checkpoint(path, weights, meta)
    if any(key.startswith("model.pixel_level_module.") for key in weights):
        checkpoint.config = _beside(path, "config.json")
        checkpoint.preprocessor = _beside(path, "preprocessor_config.json")
    return checkpoint


def _contents(path: Path) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    """Weights and ``meta`` of a file."""
    content = read_file(path)
    holder = content if isinstance(content, Mapping) else {}
    found = next((holder[key] for key in ("state_dict", "model") if isinstance(holder.get(key), Mapping)), holder)
    weights = {str(key).removeprefix("module."): as_tensor(value) for key, value in found.items()}
    others = [key for key, value in weights.items() if value is None]
    weights = {key: value for key, value in weights.items() if value is not None}
    if found is not holder and others:
        raise UserError(f"{path}: {others[0]} is not an array of numbers")
    if not weights:
        raise UserError(f"{path} holds no weights: {listed(holder, 3) or type(content).__name__}")
    meta = holder.get("meta")
    return weights, meta if isinstance(meta, Mapping) else {}


def find_format(checkpoint: Checkpoint) -> str:
    """One of ``FORMATS``, by the names of the weights.

    Raises:
        UserError: the weights are of another model, of none that is known, or of half a model; names the first.
    """
    keys, path = list(checkpoint.weights), checkpoint.path
    ours = any(re.match(OURS, key) for key in keys)
    for model, signs in OTHER_MODELS.items() if not ours else ():
        signed = [key for key in keys if re.search(signs, key)]
        if signed:
            raise UserError(f"{path} is of {model} and not of MaskFormer: it has {listed(signed)}")
    kind = checkpoint.config.get("model_type")
    if kind not in (None, "maskformer"):
        raise UserError(
            f"{path} is not of MaskFormer: config.json says {shown(kind)}; its first keys are {listed(keys)}"
        )
    if any(key.startswith(("pixel_level_module.", "transformer_module.")) for key in keys):
        raise UserError(f"{path} is half a model: Hugging Face's MaskFormerModel, without heads; it has {listed(keys)}")
    for format, head in HEAD_PREFIXES.items():
        if found := [key for key in keys if key.startswith(head)]:
            return _whose_head(path, head, found) if format in ("mmseg", "mmdet") else format
    if found := [key for key in keys if key.startswith(tuple(BACKBONES.values()))]:
        if others := [key for key in keys if key not in found]:
            raise UserError(f"{path} is of another model than MaskFormer: beside a backbone it has {listed(others)}")
        raise UserError(
            f"{path} is half a model: a backbone without a head, from {found[0]} to {found[-1]}; mmseg's and mmdet's "
            'need no conversion for init_cfg: dict(type="Pretrained", checkpoint=..., prefix="backbone.")'
        )
    return "backbone"


def _whose_head(path: Path, head: str, keys: list[str]) -> str:
    if not any(re.match(OWN_MODULES, key.removeprefix(head)) for key in keys):
        raise UserError(f"{path} is of another model than MaskFormer: its head has {listed(keys)}")
    if any(key.startswith((f"{head}cls_embed.", f"{head}pixel_decoder.mask_feature.")) for key in keys):
        return "mmseg" if head == "decode_head." else "mmdet"
    return "mmmaskformer"


def as_tensor(value: Any) -> Tensor | None:
    """Return the tensor of a tensor or a numeric array, else None."""
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiub":
        return torch.from_numpy(np.asarray(value, value.dtype.newbyteorder("=")))
    return None


def read_file(path: Path) -> Any:
    """Return the content of a file of any format.

    Raises:
        UserError: it is empty, damaged or refused.
    """
    with open(path, "rb") as file:
        start = file.read(BEGINNING)
    if not start:
        raise UserError(f"checkpoint {path} is empty")
    if is_torch_file(start):
        return load_torch(path, "cpu")
    if start[8:9] != b"{":
        return load_pickle(path)
    try:
        return load_file(path)
    except Exception as error:  # a damaged file can make the reader raise anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"checkpoint {path} cannot be read, is the file whole? {reason}") from error


def _read_folder(folder: Path) -> Checkpoint:
    config = _beside(folder / "config.json", "config.json")
    if not config:
        raise UserError(f"{folder} is no folder of a Hugging Face model: it has no config.json")
    whole = [name for name in FOLDER_FILES if file_within(folder, name) is not None]
    indexes = [name for name in SHARDS if file_within(folder, name) is not None]
    if whole:
        weights = _contents(folder / whole[0])[0]
    elif indexes:
        weights = _read_shards(folder, indexes[0])
    else:
        raise UserError(f"{folder} has none of {', '.join(FOLDER_FILES + SHARDS)}")
    preprocessor = _beside(folder / "config.json", "preprocessor_config.json")
    return Checkpoint(folder, weights, config=config, preprocessor=preprocessor)


def _read_shards(folder: Path, index: str) -> dict[str, Tensor]:
    """Return the weights that an index names, each from the shard that it says and from no other."""
    weights: dict[str, Tensor] = {}
    promised = read_index(folder / index)
    for name in sorted(set(promised.values())):
        shard = file_within(folder, name)
        if shard is None:
            raise UserError(f"{folder / index} names {name}, which is not in the folder")
        found = _contents(shard)[0]
        for key in found:
            if promised.get(key) != name:
                where = f"in {promised[key]}" if key in promised else "nowhere"
                raise UserError(f"{shard} holds {key}, which according to {index} is {where}")
        weights.update(found)
    if missing := [key for key in promised if key not in weights]:
        raise UserError(f"{folder / index} promises {listed(missing)}, which {promised[missing[0]]} does not hold")
    return weights


def _beside(path: Path, name: str) -> dict:
    """Read a JSON file in the same folder; the result is empty if there is none."""
    file = file_within(path.parent, name)
    return {} if file is None else read_json(file)
