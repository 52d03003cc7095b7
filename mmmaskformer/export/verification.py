"""How far an exported model's results are from those of the model in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy import ndarray

from mmmaskformer.apis.inferencer import MaskFormerInferencer
from mmmaskformer.apis.results import SegmentationResult
from mmmaskformer.errors import UserError
from mmmaskformer.visualization import Outputs

from .evaluation import ExportedModel

TOLERANCE = 1e-4  # share of pixels that may differ: where two classes tie to fp32's last bits


@dataclass
class Difference:
    """Of one kind of result over all images.

    Attributes:
        pixels: how many were compared, of instances those of all masks.
        differing: how many of them differ.
    """

    pixels: int = 0
    differing: int = 0

    @property
    def share(self) -> float:
        """Of the pixels, 0..1."""
        return self.differing / max(self.pixels, 1)

    def add(self, ours: ndarray, theirs: ndarray) -> None:
        """Compare two maps; where their shapes differ everything does."""
        self.pixels += ours.size
        self.differing += int((ours != theirs).sum()) if ours.shape == theirs.shape else ours.size


def verify(inferencer: MaskFormerInferencer, exported: Path, images: Sequence[Path]) -> dict[str, Difference]:
    """Compares what a config's own model and an exported one make of images, by the config's test pipeline.

    Args:
        inferencer: of config and checkpoint; used with the exported model in its place, and put right again.
        exported: the file.
        images: to compare on.

    Returns:
        The difference of each kind of result. Panoptic maps are compared by class and instance of each pixel,
        instances of a score of at least 0.5 in their order, by class and mask.
    """
    expected = list(inferencer.iterate(images))
    model = inferencer.model
    inferencer.model = ExportedModel(exported)
    try:
        found = list(inferencer.iterate(images))
    finally:
        inferencer.model = model
    differences: dict[str, Difference] = {}
    for ours, theirs in zip(expected, found):
        for kind, one, other in compared(ours, theirs):
            differences.setdefault(kind, Difference()).add(one, other)
    return differences


def compared(ours: SegmentationResult, theirs: SegmentationResult) -> Iterator[tuple[str, ndarray, ndarray]]:
    """Name and two arrays to compare, of each kind of result."""
    one, other = ours.outputs, theirs.outputs
    if one.labels is not None:
        yield "label map", one.labels, other.labels
    if one.panoptic is not None:
        yield "panoptic map", one.panoptic.ids, other.panoptic.ids
    if one.instances is not None:
        yield "instance masks", labelled_masks(one), labelled_masks(other)


def labelled_masks(outputs: Outputs, min_score: float = 0.5) -> ndarray:
    """(n, H, W) class + 1 of an instance where its mask is, else 0."""
    sure = outputs.instances.above(min_score)
    return (sure.labels[:, None, None] + 1) * np.asarray(sure.masks)


def check_differences(differences: dict[str, Difference]) -> None:
    """Refuses an exported model that differs.

    Raises:
        UserError: in more than :data:`TOLERANCE` of the pixels of a kind of result.
    """
    for kind, difference in differences.items():
        if difference.share > TOLERANCE:
            raise UserError(
                f"the exported model's {kind} differs from PyTorch's in {difference.differing} of {difference.pixels} "
                f"pixels ({difference.share:.1e}), more than {TOLERANCE:.0e}: nothing was written"
            )
