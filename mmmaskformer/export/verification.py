"""How far an exported model's results are from those of the model in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from mmmaskformer.apis.inferencer import MaskFormerInferencer
from mmmaskformer.apis.results import SegmentationResult
from mmmaskformer.errors import UserError

from .comparison import Difference, compare_instances, compare_labels, compare_segments
from .exported_model import ExportedModel, photo
from .graph import ExportGraph

TOLERANCE = 1e-4  # share of pixels that may differ: where two classes tie to fp32's last bits
SCORE_TOLERANCE = 1e-3  # by which scores may differ


def verify(
    inferencer: MaskFormerInferencer, exported: Path, images: Sequence[Path], graph: ExportGraph
) -> dict[str, Difference]:
    """Compare what a config's own model and an exported one make of images, by the config's test pipeline.

    Args:
        inferencer: of config and checkpoint; used with the exported model in its place, and put right again.
        exported: the file.
        images: to compare on.
        graph: what the file was written from, with whose class scores those of the file are compared.

    Returns:
        The difference of each kind of result; see :mod:`mmmaskformer.export.comparison`.
    """
    expected = list(inferencer.iterate(images))
    model, other = inferencer.model, ExportedModel(exported)
    inferencer.model = other
    try:
        found = list(inferencer.iterate(images))
    finally:
        inferencer.model = model
    differences: dict[str, Difference] = {}
    for ours, theirs in zip(expected, found):
        for kind, difference in compared(ours, theirs):
            differences.setdefault(kind, Difference()).add(difference, str(ours.source))
    if "scores" in other.description["outputs"]:
        differences["class scores"] = Difference()
        for image in images:
            differences["class scores"].add(_compare_scores(inferencer, graph, other, image), str(image))
    return differences


def compared(ours: SegmentationResult, theirs: SegmentationResult) -> Iterator[tuple[str, Difference]]:
    """Name and difference of each kind of result of one image."""
    if ours.labels is not None:
        yield "label map", compare_labels(ours.labels, theirs.labels, ours.classes)
    if ours.panoptic is not None:
        yield "panoptic map", compare_segments(ours.panoptic, theirs.panoptic, ours.classes)
    if ours.instances is not None:
        yield "instance masks", compare_instances(ours.instances, theirs.instances, ours.classes)


def _compare_scores(
    inferencer: MaskFormerInferencer, graph: ExportGraph, model: ExportedModel, image: Path
) -> Difference:
    sample = inferencer.prepare(image)
    pixels, size = photo(sample["inputs"]), tuple(sample["data_samples"].ori_shape[:2])
    fixed = model.description["size"] is not None
    with torch.no_grad():
        ours = graph(torch.from_numpy(pixels), *(() if fixed else (torch.tensor(size),)))["scores"].numpy()
    theirs = model.exported(pixels, size)["scores"]
    found = Difference()
    found.count_score(float(np.abs(ours - theirs).max()), 0.0)
    return found


def check_differences(differences: dict[str, Difference]) -> None:
    """Refuses an exported model that differs.

    Raises:
        UserError: in more than :data:`TOLERANCE` of the pixels of a kind of result, in the class of a segment, or in a
            score by more than :data:`SCORE_TOLERANCE`.
    """
    for kind, difference in differences.items():
        example = f" ({difference.example})" if difference.example else ""
        if difference.share > TOLERANCE:
            raise UserError(
                f"the exported model's {kind} differs from PyTorch's in {difference.differing} of {difference.pixels} "
                f"pixels, more than {TOLERANCE:.0e} of them{example}: nothing was written"
            )
        if difference.relabeled:
            raise UserError(
                f"the exported model's {kind} gives another class to {difference.relabeled} of PyTorch's segments"
                f"{example}: nothing was written"
            )
        if difference.score is not None and difference.score > SCORE_TOLERANCE:
            raise UserError(
                f"the exported model's {kind}: scores differ from PyTorch's by up to {difference.score:.1e}, more than "
                f"{SCORE_TOLERANCE:.0e}: nothing was written"
            )
