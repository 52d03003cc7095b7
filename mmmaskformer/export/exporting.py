"""From a config and a checkpoint to a file for serving."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmmaskformer import __version__
from mmmaskformer.apis.inferencer import MaskFormerInferencer
from mmmaskformer.apis.model_info import inference_pipeline
from mmmaskformer.errors import UserError
from mmmaskformer.files import atomic_open

from .comparison import Difference
from .graph import ExportGraph, graph_of
from .packages import require
from .serialization import FORMATS, OPSET, SMALLEST_SIDE, InputShape, trace, write_onnx, write_program
from .verification import check_differences, verify


def export_model(
    config: Config,
    checkpoint: str,
    path: Path,
    file_format: str = "onnx",
    *,
    outputs: Sequence[str] | None = None,
    scores: bool = False,
    shape: InputShape | None = None,
    opset: int = OPSET,
    verify_on: Sequence[Path] = (),
) -> tuple[dict[str, Any], dict[str, Difference]]:
    """Write a trained model as a graph.

    Args:
        config: as :func:`mmmaskformer.runs.load_config` gives it.
        checkpoint: the weights.
        path: the file to write.
        file_format: "onnx" or "torch.export".
        outputs: some of "panoptic", "instance" and "semantic"; by default what ``test_cfg`` says.
        scores: give class scores (B, K, H, W) beside the label map.
        shape: what the graph takes; any batch of any size by default.
        opset: of ONNX.
        verify_on: images on which the file is compared with PyTorch before it gets its name.

    Returns:
        The file's description of itself, and the differences found, one a kind of result.

    Raises:
        UserError: the config, the checkpoint or the model cannot be exported, or the file's results differ from
            PyTorch's in more than 1e-4 of the pixels, in a segment's class or in scores; no file is written then.
    """
    if file_format not in FORMATS:
        raise UserError(f"format {file_format!r}, expected one of {', '.join(FORMATS)}")
    packages = ["onnx", "onnxscript"] if file_format == "onnx" else []
    for package in packages + ["onnxruntime"] * bool(packages and verify_on):
        require(package)
    shape = shape or InputShape()
    inferencer = MaskFormerInferencer(config, checkpoint, "cpu", outputs=outputs)
    graph = graph_of(inferencer.model, scores).eval()
    program = trace(graph, shape)
    description = describe(graph, shape, inferencer, config)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(path) as file:
        if file_format == "onnx":
            write_onnx(program, file, description, shape, opset)
        else:
            write_program(program, file, description)
        file.flush()
        differences = verify(inferencer, Path(file.name), verify_on, graph) if verify_on else {}
        check_differences(differences)
    return description, differences


def describe(graph: ExportGraph, shape: InputShape, inferencer: MaskFormerInferencer, config: Config) -> dict[str, Any]:
    """Return what a server has to know, which is written into the file as JSON.

    ``classes`` and ``palette``; ``num_things`` (None for semantic models); ``outputs``, their names in order; ``batch``
    and ``size`` where they are fixed, else None; ``resize``, see :func:`resize_rule`; ``void``, the label of pixels
    without a class; ``smallest_side``; ``version`` of this package.
    """
    with torch.no_grad():
        outputs = list(graph(*shape.example()))
    return {
        "classes": inferencer.classes,
        "palette": [[int(part) for part in color] for color in inferencer.palette],
        "num_things": getattr(graph.head, "num_things_classes", None),
        "outputs": outputs,
        "batch": shape.batch,
        "size": shape.size,
        "resize": resize_rule(inference_pipeline(config)),
        "void": graph.head.ignore_index,
        "smallest_side": 1 if shape.size else SMALLEST_SIDE,
        "version": __version__,
    }


def resize_rule(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How the config's test pipeline resizes an image before the model sees it.

    Returns:
        None where it does not; ``{"short_side": s, "long_side": l}`` where it keeps the aspect ratio and makes the
        image as large as fits both; else ``{"steps": ...}``, the steps themselves.
    """
    resizes = [step for step in steps if "Resize" in str(step["type"])]
    if not resizes:
        return None
    step = resizes[0]
    kind, scale = str(step["type"]).rpartition(".")[2], step.get("scale")
    if len(resizes) == 1 and kind == "ResizeShortestEdge" and isinstance(scale, int) and step.get("max_size"):
        return {"short_side": scale, "long_side": step["max_size"]}
    if len(resizes) == 1 and kind == "Resize" and step.get("keep_ratio") and isinstance(scale, list | tuple):
        return {"short_side": min(scale), "long_side": max(scale)}
    return {"steps": json.loads(json.dumps(resizes, default=str))}
