"""The paper, free of mmseg and mmdet: torch, scipy and mmengine only."""

from .criterion import ClassificationLoss, MaskCriterion
from .mask_losses import DiceLoss, FocalLoss, MaskLoss
from .mask_transformer import MaskTransformer
from .matching import ClassCost, DiceCost, FixedAssigner, FocalCost, HungarianAssigner
from .pixel_decoder import FPNPixelDecoder
from .transformer import SinePositionalEncoding, TransformerDecoder

__all__ = [
    "ClassCost",
    "ClassificationLoss",
    "DiceCost",
    "DiceLoss",
    "FPNPixelDecoder",
    "FixedAssigner",
    "FocalCost",
    "FocalLoss",
    "HungarianAssigner",
    "MaskCriterion",
    "MaskLoss",
    "MaskTransformer",
    "SinePositionalEncoding",
    "TransformerDecoder",
]
