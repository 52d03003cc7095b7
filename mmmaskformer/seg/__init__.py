"""Adapters that make the core usable wherever mmseg expects a decode head, a segmentor or a TTA model."""

from .heads import MaskFormerHead
from .per_pixel import PerPixelBaselineHead, PerPixelBaselinePlusHead
from .pixel_decoders import DecodeHeadPixelDecoder
from .segmentor import MaskFormerSegmentor
from .tta import SemanticTTAModel

__all__ = [
    "DecodeHeadPixelDecoder",
    "MaskFormerHead",
    "MaskFormerSegmentor",
    "PerPixelBaselineHead",
    "PerPixelBaselinePlusHead",
    "SemanticTTAModel",
]
