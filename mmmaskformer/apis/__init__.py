"""What users call from their own scripts."""

from typing import Any

from .outputs import choose_outputs, draw_predictions, write_predictions

__all__ = ["MaskFormerInferencer", "choose_outputs", "draw_predictions", "write_predictions"]


def __getattr__(name: str) -> Any:
    # Importing the inferencer imports mmseg's models, which tools that only read a config should not wait for.
    if name == "MaskFormerInferencer":
        from .inferencer import MaskFormerInferencer

        return MaskFormerInferencer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
