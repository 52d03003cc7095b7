"""Data sets that MMSegmentation and MMDetection lack, how to read them, and the paper's augmentations."""

from mmmaskformer.datasets.ade20k_full import ADE20KFullDataset
from mmmaskformer.datasets.ade20k_panoptic import CheckedADE20KPanopticDataset, LoadADE20KLabelMap
from mmmaskformer.datasets.camvid import CamVidDataset
from mmmaskformer.datasets.checked_panoptic import CheckedPanopticDataset
from mmmaskformer.datasets.checked_semantic import CheckedSegDataset
from mmmaskformer.datasets.panoptic_loading import LoadPanopticAnnotations
from mmmaskformer.datasets.pennfudan import PennFudanDataset
from mmmaskformer.datasets.shapes import LongTailedShapesDataset, ShapesDataset, ShapesPanopticDataset
from mmmaskformer.datasets.wide_labels import LoadWideAnnotations

__all__ = [
    "ADE20KFullDataset",
    "CamVidDataset",
    "CheckedADE20KPanopticDataset",
    "CheckedPanopticDataset",
    "CheckedSegDataset",
    "LoadADE20KLabelMap",
    "LoadPanopticAnnotations",
    "LoadWideAnnotations",
    "LongTailedShapesDataset",
    "PennFudanDataset",
    "ShapesDataset",
    "ShapesPanopticDataset",
]
