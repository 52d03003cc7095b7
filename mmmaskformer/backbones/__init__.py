"""Backbones for both mmseg and mmdet."""

from mmmaskformer.backbones.timm_backbone import TimmBackbone

__all__ = ["TimmBackbone"]
