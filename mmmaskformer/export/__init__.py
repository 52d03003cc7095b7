"""Models for serving: graphs for ONNX Runtime and torch.export, and their evaluation."""

from .evaluation import ExportedModel
from .exporting import export_model
from .graph import Graph, graph_of
from .reading import read_exported
from .verification import verify
from .writing import FORMATS, OPSET, Shape

__all__ = ["FORMATS", "OPSET", "ExportedModel", "Graph", "Shape", "export_model", "graph_of", "read_exported", "verify"]
