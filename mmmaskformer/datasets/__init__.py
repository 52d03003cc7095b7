"""Data sets that MMSegmentation and MMDetection lack, and the paper's augmentations."""

from mmmaskformer.datasets.ade20k_full import ADE20KFullDataset
from mmmaskformer.datasets.camvid import CamVidDataset
from mmmaskformer.datasets.checks import CheckedSegDataset
from mmmaskformer.datasets.loading import LoadWideAnnotations
from mmmaskformer.datasets.shapes import ShapesDataset

__all__ = ["ADE20KFullDataset", "CamVidDataset", "CheckedSegDataset", "LoadWideAnnotations", "ShapesDataset"]
