"""Data sets and transforms that MMSegmentation and MMDetection lack."""

from mmmaskformer.datasets.camvid import CamVidDataset

__all__ = ["CamVidDataset"]
