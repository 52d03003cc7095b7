"""Data sets that MMSegmentation and MMDetection lack, and what loads panoptic ground truth without panopticapi."""

from mmmaskformer.datasets.camvid import CamVidDataset
from mmmaskformer.datasets.checks import CheckedSegDataset
from mmmaskformer.datasets.panoptic import CheckedADE20KPanopticDataset, CheckedPanopticDataset
from mmmaskformer.datasets.panoptic_loading import LoadPanopticAnnotations
from mmmaskformer.datasets.pennfudan import PennFudanDataset
from mmmaskformer.datasets.shapes import ShapesDataset, ShapesPanopticDataset

__all__ = [
    "CamVidDataset",
    "CheckedADE20KPanopticDataset",
    "CheckedPanopticDataset",
    "CheckedSegDataset",
    "LoadPanopticAnnotations",
    "PennFudanDataset",
    "ShapesDataset",
    "ShapesPanopticDataset",
]
