"""Other projects' MaskFormer weights and ours: two-way tables of names, and whole checkpoints in and out.

A format is one file with one table: ``detectron2`` (the reference release), ``huggingface``, ``openmmlab`` (mmseg's and
mmdet's own heads), ``classifiers`` (timm's and torchvision's). The names here import neither mmseg nor mmdet.
"""

from .classifiers import from_classifier
from .detectron2 import from_detectron2, to_detectron2
from .openmmlab import from_mmseg_head, to_mmseg_head

__all__ = ["from_classifier", "from_detectron2", "from_mmseg_head", "to_detectron2", "to_mmseg_head"]
