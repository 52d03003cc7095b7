"""Pictures of semantic results: overlays with a legend, and image | truth | prediction panels."""

from .colours import VOID_COLOUR, distinct_palette, paint
from .hook import PanelWriterHook
from .legend import LegendEntry, legend_entries
from .pictures import draw_overlay, draw_panels, write_png

__all__ = [
    "VOID_COLOUR",
    "LegendEntry",
    "PanelWriterHook",
    "distinct_palette",
    "draw_overlay",
    "draw_panels",
    "legend_entries",
    "paint",
    "write_png",
]
