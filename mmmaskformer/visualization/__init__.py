"""Pictures of results: semantic, panoptic and instance overlays with legends, and image | truth | prediction panels."""

from .colors import VOID_COLOR, complete_palette, distinct_palette, paint, shades
from .legend import LegendEntry, legend_entries
from .pictures import draw_overlay, draw_panels, read_picture, write_png
from .segment_pictures import draw_segment_overlay, draw_segment_panels
from .visualizer import ENDINGS, MIN_SCORE, SegmentationVisualizer, draw_segmentation

__all__ = [
    "ENDINGS",
    "MIN_SCORE",
    "VOID_COLOR",
    "LegendEntry",
    "SegmentationVisualizer",
    "complete_palette",
    "distinct_palette",
    "draw_overlay",
    "draw_panels",
    "draw_segment_overlay",
    "draw_segment_panels",
    "draw_segmentation",
    "legend_entries",
    "paint",
    "read_picture",
    "shades",
    "write_png",
]
