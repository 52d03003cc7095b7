"""Shapes: a small data set that the package draws itself, the same on every machine."""

from mmmaskformer.datasets.shapes.dataset import ShapesDataset, ShapesPanopticDataset
from mmmaskformer.datasets.shapes.generate import ShapesOptions, generate_shapes
from mmmaskformer.datasets.shapes.scene import CLASSES, STUFF, THINGS, Scene, draw_scene

__all__ = [
    "CLASSES",
    "STUFF",
    "THINGS",
    "Scene",
    "ShapesDataset",
    "ShapesOptions",
    "ShapesPanopticDataset",
    "draw_scene",
    "generate_shapes",
]
