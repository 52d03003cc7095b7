"""ExportedFunction files as functions of arrays."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy import ndarray

from mmmaskformer.errors import UserError
from mmmaskformer.foreign import values
from mmmaskformer.foreign.json_text import parse_json

from .packages import require
from .serialization import LARGEST_BATCH, LARGEST_SIDE, METADATA

DESCRIBED = ("classes", "palette", "num_things", "outputs", "batch", "size", "void")
OUTPUT_NAMES = (
    "labels", "scores", "segment_map", "segment_labels", "segment_scores",
    "instance_labels", "instance_scores", "instance_masks", "instance_boxes",
)  # fmt: skip


class ExportedFunction(Protocol):
    """An exported model.

    Attributes:
        description: what the file says about itself; see :func:`mmmaskformer.export.describe`.
    """

    description: Mapping[str, Any]

    def __call__(self, images: ndarray, output_size: tuple[int, int]) -> dict[str, ndarray]:
        """Results by name for images (B, H, W, 3) uint8 RGB, at ``output_size`` (H', W').

        Raises:
            UserError: the file was made for other sizes.
        """


class OnnxModel:
    """An ONNX file in ONNX Runtime, on the CPU and as many threads as torch has.

    Raises:
        UserError: ONNX Runtime is absent, or the file is not a model that ``tools/export.py`` wrote.
    """

    def __init__(self, path: Path) -> None:
        runtime = require("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            self.session = runtime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own classes have no common one below Exception
            raise UserError(f"{path} is not an ONNX model: {str(error).strip().splitlines()[0]}") from error
        self.description = parse_description(self.session.get_modelmeta().custom_metadata_map.get(METADATA), path)

    def __call__(self, images: ndarray, output_size: tuple[int, int]) -> dict[str, ndarray]:
        check_shapes(self.description, images, output_size)
        inputs: dict[str, ndarray] = {"images": images}
        if self.description["size"] is None:
            inputs["output_size"] = np.array(output_size, np.int64)
        names = list(self.description["outputs"])
        return dict(zip(names, self.session.run(names, inputs)))


class ProgramModel:
    """A program of torch.export.

    Raises:
        UserError: the file is not one that ``tools/export.py`` wrote.
    """

    def __init__(self, path: Path) -> None:
        extra = {METADATA: ""}
        try:
            with open(path, "rb") as file:  # of a path torch wants the name to end with .pt2
                program = torch.export.load(file, extra_files=extra)
        except Exception as error:  # zip's, pickle's and torch's own
            raise UserError(f"{path} is no program of torch.export: {str(error).strip().splitlines()[0]}") from error
        self.description = parse_description(extra[METADATA], path)
        self.module = program.module()

    @torch.no_grad()
    def __call__(self, images: ndarray, output_size: tuple[int, int]) -> dict[str, ndarray]:
        check_shapes(self.description, images, output_size)
        size = () if self.description["size"] is not None else (torch.tensor(output_size),)
        found = self.module(torch.from_numpy(images), *size)
        return {name: value.numpy() for name, value in found.items()}


def read_exported(path: str | os.PathLike) -> ExportedFunction:
    """Return the model in a file, whichever format its content has.

    Raises:
        UserError: there is no such file, or it is not an exported model.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"exported model {path} does not exist")
    return ProgramModel(path) if zipfile.is_zipfile(path) else OnnxModel(path)


def parse_description(text: str | None, path: Path) -> dict[str, Any]:
    """Return what a file says about itself.

    Raises:
        UserError: nothing, or something else than :func:`mmmaskformer.export.describe` writes.
    """
    if not text:
        raise UserError(f"{path} was not written by tools/export.py: it does not describe its inputs and outputs")
    where = f"the description in {path}"
    found = parse_json(text, where)
    for key in DESCRIBED:
        if key not in found:
            raise UserError(f"{where} lacks {key}")
    classes = values.names(found["classes"], f"{where}: classes")
    outputs = values.names(found["outputs"], f"{where}: outputs")
    for name in outputs:
        values.one_of(name, f"{where}: outputs", OUTPUT_NAMES)
    size = found["size"]
    return found | dict(
        classes=classes,
        palette=values.colors(found["palette"], f"{where}: palette"),
        num_things=_optional(found["num_things"], f"{where}: num_things", 0, len(classes)),
        outputs=outputs,
        batch=_optional(found["batch"], f"{where}: batch", 1, LARGEST_BATCH),
        size=None if size is None else _size(size, f"{where}: size"),
        void=values.whole(found["void"], f"{where}: void", -(1 << 31), 1 << 31),
        smallest_side=values.whole(found.get("smallest_side", 1), f"{where}: smallest_side", 1, LARGEST_SIDE),
    )


def _optional(value: Any, where: str, low: int, high: int) -> int | None:
    return None if value is None else values.whole(value, where, low, high)


def _size(value: Any, where: str) -> list[int]:
    values.numbers(value, where, 2, 1, LARGEST_SIDE)
    return [values.whole(side, where, 1, LARGEST_SIDE) for side in value]


def check_shapes(description: Mapping[str, Any], images: ndarray, output_size: tuple[int, int]) -> None:
    """Compare images with what a file was made for.

    Raises:
        UserError: they differ.
    """
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise UserError(f"images must be (B, H, W, 3) uint8, RGB; got {images.shape}, {images.dtype}")
    batch, size = description["batch"], description["size"]
    if batch is not None and len(images) != batch:
        raise UserError(
            f"the model was exported for batches of {batch}, got {len(images)}: export without --batch-size"
        )
    if size is not None and not tuple(size) == images.shape[1:3] == tuple(output_size):
        raise UserError(
            f"the model was exported for images and results of {size[0]}x{size[1]} (height x width), got images of "
            f"{images.shape[1]}x{images.shape[2]} and results of {output_size[0]}x{output_size[1]}: export without "
            "--size"
        )
    least = description["smallest_side"]
    if min(images.shape[1:3]) < least:
        raise UserError(f"images of {images.shape[1]}x{images.shape[2]} are too small: {least} pixels a side at least")
