"""Shapes: a small data set that the package draws itself, the same on every machine."""

from mmmaskformer.datasets.shapes.dataset import LongTailedShapesDataset, ShapesDataset, ShapesPanopticDataset
from mmmaskformer.datasets.shapes.generate import ShapesOptions, generate_shapes
from mmmaskformer.datasets.shapes.scene import CLASSES, THINGS, Scene, draw_scene
from mmmaskformer.datasets.shapes.vocabulary import STUFF, VOCABULARIES, Vocabulary

__all__ = [
    "CLASSES",
    "STUFF",
    "THINGS",
    "VOCABULARIES",
    "LongTailedShapesDataset",
    "Scene",
    "ShapesDataset",
    "ShapesOptions",
    "ShapesPanopticDataset",
    "Vocabulary",
    "draw_scene",
    "generate_shapes",
]
