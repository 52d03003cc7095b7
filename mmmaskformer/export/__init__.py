"""Models for serving: graphs for ONNX Runtime and torch.export, and their evaluation."""

from .exported_model import ExportedModel
from .exporting import export_model
from .graph import ExportGraph, graph_of
from .runtime import read_exported
from .serialization import FORMATS, OPSET, InputShape
from .verification import verify

__all__ = [
    "FORMATS",
    "OPSET",
    "ExportedModel",
    "ExportGraph",
    "InputShape",
    "export_model",
    "graph_of",
    "read_exported",
    "verify",
]
