"""Key maps between other projects' MaskFormer weights and ours."""

from .detectron2 import from_detectron2
from .openmmlab import from_mmseg_head, to_mmseg_head

__all__ = ["from_detectron2", "from_mmseg_head", "to_mmseg_head"]
