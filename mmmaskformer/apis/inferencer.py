"""Label maps, segments and instances of images from a config and a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint
from numpy import ndarray
from torch import nn

from mmmaskformer.apis.image_pipeline import ImagePipeline
from mmmaskformer.apis.images import ImageSource, check_outputs, list_images, output_names
from mmmaskformer.apis.outputs import choose_outputs
from mmmaskformer.apis.results import SegmentationResult, image_outputs
from mmmaskformer.errors import UserError
from mmmaskformer.foreign.metainfo import read_dataset_meta
from mmmaskformer.runs.checks import check_checkpoint_exists, check_checkpoint_fits, check_sizes
from mmmaskformer.runs.config import sync_dataset_meta
from mmmaskformer.runs.dataset_info import dataset_classes, dataset_type, iterate_datasets
from mmmaskformer.runs.stored_config import built_from, find_config
from mmmaskformer.visualization import complete_palette, read_outputs

TRIED_SIZE = (64, 64, 3)
ErrorHandler = Callable[[str, UserError], None]


class MaskFormerInferencer:
    """Segments images with a trained model.

    Any semantic config of mmseg will do, and any panoptic one of mmdet whose model has a ``panoptic_head``; their own
    MaskFormers as well as ours. Images are read and prepared by the config's test pipeline, less the loading of
    annotations. Arrays are BGR, as OpenCV and mmcv read images.

    Args:
        config: a config file, which is a program that runs, or a config that :func:`mmmaskformer.runs.load_config`
            read. None for the config that the checkpoint holds, which is read as data
            (:mod:`mmmaskformer.foreign.configs`).
        checkpoint: the weights. None is accepted only with ``random_weights``.
        device: for instance ``"cuda:0"`` or ``"cpu"``; by default a GPU where there is one.
        outputs: some of ``"panoptic"``, ``"instance"`` and ``"semantic"``; by default what ``test_cfg`` says.
        cfg_options: overrides of the config, dotted keys and values.
        random_weights: use the model untrained, to try a pipeline or measure.
        trust_config: run the config that the checkpoint holds as a program. Code in it will run: use it only for
            files that you trust.

    Attributes:
        cfg: the config.
        model: the segmentor or detector, in evaluation.
        prepare: brings an image to the form that the model takes.
        classes: names of the classes: the checkpoint's, or else those of the config's data set.
        palette: their colors.

    Raises:
        UserError: a file is missing, the checkpoint's own config is not there or not accepted, the config has no test
            pipeline, the device does not exist, the model does not have the outputs, or the checkpoint does not fit it;
            with the first tensors that differ and both shapes.

    Example:
        >>> inferencer = MaskFormerInferencer("maskformer_efficientnet-lite0_shapes", "latest.pth")
        >>> inferencer("street.jpg").labels.shape
        (360, 480)
        >>> inferencer = MaskFormerInferencer(checkpoint="r50.pth")  # a panoptic model with a config in its meta
        >>> inferencer("street.jpg").panoptic.segments[0].score
        0.97
    """

    def __init__(
        self,
        config: str | os.PathLike | Config | None = None,
        checkpoint: str | os.PathLike | None = None,
        device: str | None = None,
        *,
        outputs: Sequence[str] | None = None,
        cfg_options: Mapping[str, Any] | None = None,
        random_weights: bool = False,
        trust_config: bool = False,
    ) -> None:
        if checkpoint is None and not random_weights:
            raise UserError("no checkpoint given; for a model with random weights say random_weights=True")
        if checkpoint is not None:
            checkpoint = os.fspath(checkpoint)
            check_checkpoint_exists(checkpoint, "checkpoint")
        self.device = find_device(device)
        self.cfg = cfg = find_config(config, checkpoint, cfg_options, trust_config)
        init_default_scope(cfg.get("default_scope", "mmseg"))
        check_sizes(cfg)
        sync_dataset_meta(cfg, ("train_dataloader", "test_dataloader"))
        if outputs is not None:
            choose_outputs(cfg, outputs)
        stored = config is None and not trust_config
        with built_from(f"the config of {checkpoint}") if stored else nullcontext():
            self.prepare = ImagePipeline(cfg)
            self.model = MODELS.build(cfg.model)
            dataset_meta: Mapping[str, Any] = {}
            if checkpoint is not None:
                check_checkpoint_fits(self.model, checkpoint)
                meta = load_checkpoint(self.model, checkpoint, map_location="cpu", logger="silent").get("meta") or {}
                dataset_meta = read_dataset_meta(meta, checkpoint)
            self.classes, self.palette = class_names(dataset_meta, cfg, num_classes(self.model))
            self.model.to(self.device).eval()
            if stored:
                self._try()

    def __call__(
        self,
        inputs: ImageSource | Iterable[ImageSource],
        batch_size: int = 1,
        out_dir: str | os.PathLike | None = None,
        on_error: ErrorHandler | None = None,
    ) -> SegmentationResult | list[SegmentationResult]:
        """Segments one image or many, keeping all results; :meth:`iterate` keeps none.

        Args:
            inputs: a file, a folder, an array (H, W, 3) uint8 BGR, or a sequence of these.
            batch_size: images at once; those of one size that follow one another go through the model together.
            out_dir: where to write overlays and predictions, if anywhere; see :meth:`SegmentationResult.save`.
            on_error: called with the name of an image that cannot be read and the error, then goes on without it; by
                default the error is raised.

        Returns:
            One result for a file or an array. Else a list with one for each of ``inputs``, in order and also where a
            file is given twice; a folder stands for its images.

        Raises:
            UserError: an input is no image, or results would be written over one.
        """
        images = list_images(inputs, leave_out=out_dir)
        if out_dir is not None:
            check_outputs(images, image_outputs(out_dir, output_names(images)))
        results = []
        for result in self.iterate(images, batch_size, on_error):
            if out_dir is not None:
                result.save(out_dir)
            results.append(result)
        single = isinstance(inputs, np.ndarray) and inputs.ndim == 3
        single |= isinstance(inputs, str | os.PathLike) and not Path(inputs).expanduser().is_dir()
        return results[0] if single and results else results

    def iterate(
        self,
        inputs: ImageSource | Iterable[ImageSource],
        batch_size: int = 1,
        on_error: ErrorHandler | None = None,
    ) -> Iterator[SegmentationResult]:
        """Like a call, but gives out one result after the other, in order."""
        if batch_size < 1:
            raise UserError(f"batch_size={batch_size} must be at least 1")
        images = list_images(inputs)
        return self._iterate(images, output_names(images), batch_size, on_error)

    def visualize(self, image: ImageSource, opacity: float = 0.5) -> ndarray:
        """A picture of one image's result, (H', W', 3) uint8, RGB; see :meth:`SegmentationResult.overlay`."""
        (result,) = self.iterate(image)
        return result.overlay(opacity)

    def _iterate(
        self,
        images: Sequence[Path | ndarray],
        names: Sequence[str],
        batch_size: int,
        on_error: ErrorHandler | None,
    ) -> Iterator[SegmentationResult]:
        waiting: list[tuple[Path | ndarray, str, dict]] = []
        for image, name in zip(images, names):
            try:
                sample = self.prepare(image, name)
            except UserError as error:
                if on_error is None:
                    raise
                on_error(name if isinstance(image, np.ndarray) else str(image), error)
                continue
            if waiting and waiting[0][2]["inputs"].shape != sample["inputs"].shape:
                yield from self._predict(waiting)
                waiting = []
            waiting.append((image, name, sample))
            if len(waiting) == batch_size:
                yield from self._predict(waiting)
                waiting = []
        if waiting:
            yield from self._predict(waiting)

    def _try(self) -> None:
        """Predicts a small black image, so that a config that does not work is known before the first real one."""
        image = np.zeros(TRIED_SIZE, np.uint8)
        for _ in self._predict([(image, "", self.prepare(image, only_pack=True))]):
            pass

    @torch.no_grad()
    def _predict(self, batch: Sequence[tuple[Path | ndarray, str, dict]]) -> Iterator[SegmentationResult]:
        outputs = self.model.test_step(pseudo_collate([sample for _, _, sample in batch]))
        for (image, name, _), output in zip(batch, outputs):
            found = read_outputs(output, len(self.classes))
            yield SegmentationResult(found, self.classes, self.palette, image, name, self.prepare.color_type)


def find_device(name: str | None) -> torch.device:
    """The device of that name, or the first GPU, or the CPU.

    Raises:
        UserError: this machine has no such device.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"device {name!r} cannot be used: {reason}; use 'cpu', or 'cuda:0' with a GPU") from error
    return device


def num_classes(model: nn.Module) -> int:
    """K of a model; of the last head where several stand in a row.

    Raises:
        UserError: the model has neither a ``decode_head`` nor a ``panoptic_head``.
    """
    for name in ("decode_head", "panoptic_head"):
        head = getattr(model, name, None)
        if head is not None:
            return (head[-1] if isinstance(head, nn.ModuleList) else head).num_classes
    raise UserError(f"the config's model {type(model).__name__} has neither a decode_head nor a panoptic_head")


def class_names(dataset_meta: Mapping[str, Any], cfg: Config, count: int) -> tuple[list[str], list[list[int]]]:
    """Names and colors of ``count`` classes.

    Args:
        dataset_meta: what the checkpoint says about its data set; has the last word on what the model learned.
        cfg: the config, whose data sets are asked next.
        count: K; names of any other number are not of this model.

    Returns:
        Names and palette; numbers and generated colors where nobody knows any.
    """
    candidates = [(dataset_meta.get("classes"), dataset_meta.get("palette"))]
    for key in ("test_dataloader", "val_dataloader", "train_dataloader"):
        for dataset in iterate_datasets(cfg.get(key)):
            given = (dataset.get("metainfo") or {}).get("palette")
            known = getattr(dataset_type(dataset), "METAINFO", {})
            classes = dataset_classes(dataset)
            palette = given or (known.get("palette") if classes == list(known.get("classes", ())) else None)
            candidates.append((classes, palette))
    stored = cfg.get("metainfo") or {}
    candidates.append((stored.get("classes"), stored.get("palette")))
    for classes, palette in candidates:
        if classes is not None and len(classes) == count:
            return list(classes), complete_palette(palette, count)
    return [f"class {index}" for index in range(count)], complete_palette(None, count)
