"""A graph into a file: ONNX, or torch.export's program; both with a description of inputs, outputs and classes."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import IO, Any

import torch
from torch.export import Dim, ExportedProgram

from mmmaskformer.errors import UserError
from mmmaskformer.stages import reported_stages

from .graph import ExportGraph
from .packages import require
from .same_padding import constant_same_padding, same_convolutions

METADATA = "mmmaskformer"  # key of the description in a file
FORMATS = {"onnx": ".onnx", "torch.export": ".pt2"}
OPSET = 18
# torch takes a feature map of one pixel for a special case, so that a program for any size begins above stride 32.
SMALLEST_SIDE, LARGEST_SIDE, LARGEST_BATCH = 33, 1 << 15, 1 << 12
WINDOWED = ("SwinTransformer",)  # mmseg's and mmdet's backbones whose attention is in windows
EXAMPLE = (2, 100, 150)  # where nothing is fixed; no size of it is equal to another's or to one of the model's


@dataclass(frozen=True)
class InputShape:
    """What a graph takes.

    Attributes:
        batch: number of images, None for any.
        size: (H, W) of the images, None for any; results then come at a size that is given with the images.
    """

    batch: int | None = None
    size: tuple[int, int] | None = None

    def example(self) -> tuple[torch.Tensor, ...]:
        """Arguments of a graph."""
        batch = self.batch or EXAMPLE[0]
        images = torch.zeros(batch, *(self.size or EXAMPLE[1:]), 3, dtype=torch.uint8)
        return (images,) if self.size else (images, torch.tensor(EXAMPLE[1:]) + 20)

    def dimensions(self) -> tuple[dict[int, Dim], ...]:
        """Return what may vary of each argument."""
        free = {} if self.batch else {0: Dim("batch", min=1, max=LARGEST_BATCH)}
        if self.size:
            return (free,)
        sides = {axis: Dim(name, min=SMALLEST_SIDE, max=LARGEST_SIDE) for axis, name in ((1, "height"), (2, "width"))}
        return {**free, **sides}, {}


def trace(graph: ExportGraph, shape: InputShape) -> ExportedProgram:
    """torch.export's program of a graph in evaluation.

    Raises:
        UserError: the model's code needs the size of its input.
    """
    stages = reported_stages(graph.model.backbone)
    largest = 32 if stages is None else max(stages.strides)
    same = same_convolutions(graph)
    _check_free_axes(graph, shape, largest if same else 1)
    padded = graph.input.divisor % largest == 0
    try:
        with torch.no_grad(), _quiet(), constant_same_padding(graph) if same and padded else nullcontext():
            program = torch.export.export(
                graph,
                shape.example(),
                dynamic_shapes=shape.dimensions(),
                # torch cannot prove, for instance, that padding does not shrink; it may assert that in the program.
                prefer_deferred_runtime_asserts_over_guards=True,
            )
            return _without_asserts(program)
    except Exception as error:
        if shape.size and shape.batch:
            raise
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{type(graph.model.backbone).__name__} cannot be traced for any size and batch ({reason}): fix them with "
            "--size and --batch-size"
        ) from error


def _check_free_axes(graph: ExportGraph, shape: InputShape, divisor: int) -> None:
    # Both would keep torch busy with the algebra of sizes for hours, rather than fail.
    if not shape.size and graph.input.divisor % divisor:
        raise UserError(
            f"images are padded to multiples of {graph.input.divisor}, but this backbone's 'same' padding is a graph "
            f"for any size only with multiples of {divisor}: set that in model.data_preprocessor (size_divisor in "
            "test_cfg, or pad_size_divisor), or fix the size with --size"
        )
    if type(graph.model.backbone).__name__ in WINDOWED and not (shape.size and shape.batch):
        raise UserError(
            f"{type(graph.model.backbone).__name__} cuts its features into windows, of which torch makes no graph for "
            "any size or batch: fix both with --size and --batch-size"
        )


def _without_asserts(program: ExportedProgram) -> ExportedProgram:
    # They record every fact about the example's sizes that torch asked about, also those that only choose between ways
    # to the same result: that there are several images, that an image is not of the padded size.
    graph = program.graph_module.graph
    for node in list(graph.nodes):
        if node.target is torch.ops.aten._assert_scalar.default:
            graph.erase_node(node)
    graph.eliminate_dead_code()
    program.graph_module.recompile()
    return program


def write_program(program: ExportedProgram, file: IO[bytes], description: Mapping[str, Any]) -> None:
    """Write torch.export's format, ``.pt2``."""
    torch.export.save(program, file, extra_files={METADATA: json.dumps(description)})


def write_onnx(
    program: ExportedProgram, file: IO[bytes], description: Mapping[str, Any], shape: InputShape, opset: int = OPSET
) -> None:
    """Write ONNX in one file.

    Raises:
        UserError: the packages of the extra ``export`` are absent, or the opset does not have what is needed.
    """
    for name in ("onnx", "onnxscript"):
        require(name)
    inputs = ["images"] if shape.size else ["images", "output_size"]
    with _quiet():
        written = torch.onnx.export(
            program, input_names=inputs, output_names=description["outputs"], opset_version=opset, verbose=False
        )
    _name_axes(written.model)
    written.model.metadata_props[METADATA] = json.dumps(description)
    require("onnx").save(written.model_proto, file)


def _name_axes(model: Any) -> None:
    """Give the axes of inputs and outputs names, in place of torch's symbols."""
    from onnx_ir import SymbolicDim

    images = zip(model.graph.inputs[0].shape, ("batch", "height", "width"))
    names = {str(dim): name for dim, name in images if isinstance(dim, SymbolicDim)}
    for value in model.graph.outputs:
        new = [str(dim) for dim in value.shape if isinstance(dim, SymbolicDim) and str(dim) not in names]
        names.update(zip(new, ("output_height", "output_width")))
    for value in (*model.graph.inputs, *model.graph.outputs):
        for axis, dim in enumerate(value.shape):
            if str(dim) in names:
                value.shape[axis] = SymbolicDim(names[str(dim)])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter and its optimizer say about themselves."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
