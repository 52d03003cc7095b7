"""The paper, free of mmseg and mmdet: torch, scipy and mmengine only."""

from .boxes import BoxL1Cost, BoxL1Loss, GIoUCost, GIoULoss
from .class_heads import LinearClassHead, PooledClassHead
from .criterion import ClassificationLoss, MaskCriterion
from .mask_losses import DiceLoss, FocalLoss, MaskLoss
from .mask_model import MaskModel
from .mask_transformer import MaskTransformer
from .masked_attention import MaskedAttentionDecoder
from .matching import ClassCost, DiceCost, FixedAssigner, FocalCost, HungarianAssigner
from .pilots import MaskPilots
from .pixel_decoder import FPNPixelDecoder, PositionedPixelDecoder, TransformerEncoderPixelDecoder
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
    "LinearClassHead",
    "MaskCriterion",
    "MaskLoss",
    "MaskModel",
    "MaskPilots",
    "MaskTransformer",
    "MaskedAttentionDecoder",
    "PooledClassHead",
    "PositionedPixelDecoder",
    "SinePositionalEncoding",
    "TransformerDecoder",
    "TransformerEncoder",
    "TransformerEncoderPixelDecoder",
]
