"""What the ground truth of a validation or test run is made of, looked at while the run goes by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmmaskformer.errors import listed
from mmmaskformer.labels import DEFAULT_VOID
from mmmaskformer.pairs import check_same_size
from mmmaskformer.registry import HOOKS
from mmmaskformer.sample_results import label_data

LARGEST = 1 << 16  # labels above it are counted as one
LISTED = 6
PAGE = "docs/training.md, 'One or two classes'"


@HOOKS.register_module()
class GroundTruthCheckHook(Hook):
    """Warns once of semantic ground truth on which a score says little, and refuses maps of a wrong size.

    The first validation and the first test count the labels of the maps that they evaluate. One line then says which
    classes never occur, or that there is one class alone, and which labels were found instead. Metrics leave out
    classes that do not occur, so that a model which has learned nothing may reach an mIoU of 100.
    """

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self._counts = {mode: LabelCounts() for mode in ("val", "test")}

    def before_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Compare the sizes of images and label maps, before any metric does."""
        check_batch_sizes(data_batch)

    before_test_iter = before_val_iter

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Count the labels of a batch."""
        self._count("val", outputs)

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Count the labels of a batch."""
        self._count("test", outputs)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Says what was found."""
        self._report("val", "validation", runner.val_loop)

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Says what was found."""
        self._report("test", "test", runner.test_loop)

    def _count(self, mode: str, outputs: Sequence[Any] | None) -> None:
        if mode in self._counts:
            for sample in outputs or ():
                if isinstance(sample, BaseDataElement) and "gt_sem_seg" in sample and "pred_sem_seg" in sample:
                    self._counts[mode].add(label_data(sample.gt_sem_seg))

    def _report(self, mode: str, name: str, loop: Any) -> None:
        counts = self._counts.pop(mode, None)
        if counts is None:  # not the first one
            return
        counts = counts.of_all_ranks()
        evaluator = getattr(loop, "evaluator", None)
        meta = getattr(evaluator, "dataset_meta", None) or {}
        if not counts.images or not meta.get("classes") or not is_main_process():
            return
        voids = [metric.ignore_index for metric in evaluator.metrics if hasattr(metric, "ignore_index")]
        warning = counts.describe(list(meta["classes"]), voids[0] if voids else DEFAULT_VOID)
        if warning:
            images = min(counts.images, len(loop.dataloader.dataset))  # a sampler may fill up the last rank
            print_log(f"ground truth of the {images} {name} images: {warning}", logger="current", level=30)


class LabelCounts:
    """How many pixels of label maps have which label.

    Attributes:
        pixels: by label; -1 stands for all negative labels and 65536 for all above.
        images: how many maps were counted.
    """

    def __init__(self) -> None:
        self.pixels: Counter[int] = Counter()
        self.images = 0

    def add(self, labels: Tensor) -> None:
        """Count a map (..., H, W) of integers."""
        counts = torch.bincount(labels.flatten().long().clamp(-1, LARGEST) + 1).cpu()
        self.pixels.update({int(label) - 1: int(counts[label]) for label in counts.nonzero()})
        self.images += 1

    def of_all_ranks(self) -> LabelCounts:
        """Return the sum over all ranks, which must all call this."""
        total = LabelCounts()
        for pixels, images in all_gather_object((self.pixels, self.images)):
            total.pixels.update(pixels)
            total.images += images
        return total

    def describe(self, classes: Sequence[str], void: int) -> str:
        """Why a score on these labels says little, in one line; empty where nothing is wrong.

        Args:
            classes: names of the classes 0..K-1.
            void: the label that metrics leave out.
        """
        void = min(max(void, -1), LARGEST)
        absent = [label for label in range(len(classes)) if not self.pixels[label] and label != void]
        foreign = {label for label in self.pixels if label != void and not 0 <= label < len(classes)}
        found = f"labels after loading: {self._shares(void, foreign)}"
        if len(classes) == 1:
            return (
                f"there is one class alone, {classes[0]!r}, so every prediction is right and the score means nothing; "
                f"{found}. Give the background a class of its own ({PAGE})"
            )
        parts = []
        if absent:
            names = listed((f"class {label} {classes[label]!r}" for label in absent), LISTED)
            verb = "occurs" if len(absent) == 1 else "occur"
            parts.append(f"{names} never {verb} ({len(absent)} of {len(classes)} classes)")
            parts.append("scores leave them out, and may mean nothing")
        if foreign:
            parts.append("labels that are no class count as errors")
        if absent and len(classes) == 2 and DEFAULT_VOID in self.pixels:
            parts.append(f"masks of 0 and 255 need label_values=(0, 255) in the data set ({PAGE})")
        return f"{'; '.join(parts)}; {found}" if parts else ""

    def _shares(self, void: int, foreign: set[int]) -> str:
        total = sum(self.pixels.values())
        shares = []
        for label, count in self.pixels.most_common():
            name = {-1: "negative", LARGEST: f"{LARGEST} and above"}.get(label, str(label))
            kind = " = void" if label == void else " = no class" if label in foreign else ""
            shares.append(f"{name}{kind} ({100 * count / total:.3g} %)")
        return listed(shares, LISTED)


def check_batch_sizes(data_batch: Any) -> None:
    """Refuse label maps that have neither the size of their image as it was loaded nor that of any input.

    What transforms load is checked already (:mod:`mmmaskformer.pairs`); this is for data sets without transforms.

    Args:
        data_batch: of mmseg or mmdet, ``inputs`` and ``data_samples``; anything else is left alone.

    Raises:
        UserError: with file and sizes.
    """
    if not isinstance(data_batch, Mapping):
        return
    inputs = {tuple(image.shape[-2:]) for image in _flat(data_batch.get("inputs")) if isinstance(image, Tensor)}
    for sample in _flat(data_batch.get("data_samples")):
        if not isinstance(sample, BaseDataElement) or "gt_sem_seg" not in sample or "ori_shape" not in sample:
            continue
        size, original = tuple(label_data(sample.gt_sem_seg).shape[-2:]), tuple(sample.ori_shape[:2])
        if size not in {original, *inputs}:
            image = str(sample.get("img_path"))
            check_same_size(str(sample.get("seg_map_path") or f"the label map of {image}"), size, image, original)


def _flat(nested: Any) -> Iterator[Any]:
    """Return what is inside lists; test-time augmentation has lists of lists."""
    if isinstance(nested, list | tuple):
        for item in nested:
            yield from _flat(item)
    elif nested is not None:
        yield nested
