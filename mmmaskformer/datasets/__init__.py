"""Data sets that MMSegmentation and MMDetection lack."""

from mmmaskformer.datasets.camvid import CamVidDataset
from mmmaskformer.datasets.checks import CheckedSegDataset
from mmmaskformer.datasets.shapes import ShapesDataset

__all__ = ["CamVidDataset", "CheckedSegDataset", "ShapesDataset"]
