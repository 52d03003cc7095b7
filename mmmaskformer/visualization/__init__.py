"""Pictures of results: semantic, panoptic and instance overlays with legends, and image | truth | prediction panels."""

from .colors import complete_palette, distinct_palette, shades
from .pictures import read_picture, write_png
from .segment_pictures import draw_overlay, draw_panels
from .visualizer import ENDINGS, MIN_SCORE, SegmentationVisualizer, draw_segmentation

__all__ = [
    "ENDINGS",
    "MIN_SCORE",
    "SegmentationVisualizer",
    "complete_palette",
    "distinct_palette",
    "draw_overlay",
    "draw_panels",
    "draw_segmentation",
    "read_picture",
    "shades",
    "write_png",
]
