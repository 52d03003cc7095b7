"""The paper, free of mmseg and mmdet: torch, scipy and mmengine only."""

from .boxes import BoxL1Cost, BoxL1Loss, GIoUCost, GIoULoss
from .criterion import ClassificationLoss, MaskCriterion
from .mask_losses import DiceLoss, FocalLoss, MaskLoss
from .mask_transformer import MaskTransformer
from .matching import ClassCost, DiceCost, FixedAssigner, FocalCost, HungarianAssigner
from .pixel_decoder import FPNPixelDecoder, TransformerEncoderPixelDecoder
from .transformer import SinePositionalEncoding, TransformerDecoder, TransformerEncoder

__all__ = [
    "BoxL1Cost",
    "BoxL1Loss",
    "ClassCost",
    "ClassificationLoss",
    "DiceCost",
    "DiceLoss",
    "FPNPixelDecoder",
    "FixedAssigner",
    "FocalCost",
    "FocalLoss",
    "GIoUCost",
    "GIoULoss",
    "HungarianAssigner",
    "MaskCriterion",
    "MaskLoss",
    "MaskTransformer",
    "SinePositionalEncoding",
    "TransformerDecoder",
    "TransformerEncoder",
    "TransformerEncoderPixelDecoder",
]
