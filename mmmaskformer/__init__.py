"""MaskFormer for MMSegmentation and MMDetection.

``type='mmmaskformer.X'`` names a part of the package in any OpenMMLab config; in the config, say
``custom_imports = dict(imports=['mmmaskformer'])`` so that the package comes before MMSegmentation or MMDetection.

Importing the package imports neither torch nor MMEngine: the names below are imported when they are first used, and
:mod:`.compat` waits for MMEngine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import compat

__version__ = "0.1.0"

compat.install()

if TYPE_CHECKING:
    from .apis.inferencer import MaskFormerInferencer as MaskFormerInferencer
    from .apis.model_functions import inference_model as inference_model
    from .apis.model_functions import init_model as init_model
    from .det import MaskFormer as MaskFormer
    from .det import MaskFormerPanopticHead as MaskFormerPanopticHead
    from .seg import MaskFormerHead as MaskFormerHead
    from .seg import MaskFormerSegmentor as MaskFormerSegmentor
    from .structures import MaskPredictions as MaskPredictions
    from .structures import SegmentTargets as SegmentTargets

_MODULES = {
    "MaskFormer": ".det",
    "MaskFormerHead": ".seg",
    "MaskFormerInferencer": ".apis.inferencer",
    "MaskFormerPanopticHead": ".det",
    "MaskFormerSegmentor": ".seg",
    "MaskPredictions": ".structures",
    "SegmentTargets": ".structures",
    "inference_model": ".apis.model_functions",
    "init_model": ".apis.model_functions",
}

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with compat.explaining_a_missing_mmcv():
        value = getattr(import_module(_MODULES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
