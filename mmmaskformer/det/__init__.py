"""Adapters that make the core a detector of mmdet: panoptic, instance and semantic segmentation from one head."""

from .detector import MaskFormer
from .head import MaskFormerPanopticHead

__all__ = ["MaskFormer", "MaskFormerPanopticHead"]
