"""Pictures of results: semantic, panoptic and instance overlays with legends, and image | truth | prediction panels."""

from .colors import VOID_COLOR, complete_palette, distinct_palette, paint, shades
from .hook import PanelWriterHook
from .legend import LegendEntry, legend_entries
from .outputs import MIN_SCORE, Outputs, read_outputs
from .pictures import draw_overlay, draw_panels, read_picture, write_png
from .segment_pictures import draw_instances, draw_panoptic, draw_segment_panels
from .segments import Instances, Segment, SegmentMap, predicted_segments, true_segments

__all__ = [
    "MIN_SCORE",
    "VOID_COLOR",
    "Instances",
    "LegendEntry",
    "Outputs",
    "PanelWriterHook",
    "Segment",
    "SegmentMap",
    "complete_palette",
    "distinct_palette",
    "draw_instances",
    "draw_overlay",
    "draw_panels",
    "draw_panoptic",
    "draw_segment_panels",
    "legend_entries",
    "paint",
    "predicted_segments",
    "read_outputs",
    "read_picture",
    "shades",
    "true_segments",
    "write_png",
]
