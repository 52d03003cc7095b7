"""Label maps, segments and instances of images from a config and a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import count
from threading import Lock
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint
from numpy import ndarray

from mmmaskformer.apis.call_options import call_options, changed_test_cfg
from mmmaskformer.apis.image_pipeline import ImagePipeline
from mmmaskformer.apis.images import (
    ImageInMemory,
    ImageSource,
    ListedImage,
    check_outputs,
    is_one_image,
    list_images,
    output_names,
)
from mmmaskformer.apis.model_info import class_names, find_device, model_channels, num_classes
from mmmaskformer.apis.outputs import choose_outputs
from mmmaskformer.apis.results import SegmentationResult, image_outputs
from mmmaskformer.datasets.progress import with_progress
from mmmaskformer.errors import UserError
from mmmaskformer.foreign.metainfo import read_dataset_meta
from mmmaskformer.runs.checks import check_checkpoint_exists, check_checkpoint_fits, check_sizes
from mmmaskformer.runs.config import sync_dataset_meta
from mmmaskformer.runs.stored_config import built_from, config_of_model
from mmmaskformer.sample_results import prediction_of
from mmmaskformer.zoo import find_model

TRIED_SIZE = (64, 64)
ErrorHandler = Callable[[str, UserError], None]


class MaskFormerInferencer:
    """Segments images with a trained model.

    Any semantic config of mmseg will do, and any panoptic one of mmdet whose model has a ``panoptic_head``; their own
    MaskFormers as well as ours. Images are read and prepared by the config's test pipeline, less the loading of
    annotations. Arrays and tensors are BGR, as OpenCV and mmcv read images, unless a call says otherwise.

    Args:
        config: a config file, which is a program that runs, or a config that :func:`mmmaskformer.runs.load_config`
            read. None for the config that the checkpoint holds, which is read as data
            (:mod:`mmmaskformer.foreign.configs`). Without a checkpoint, the name of a model with published weights:
            whatever :func:`mmmaskformer.zoo.find_checkpoint` takes.
        checkpoint: the weights: a file, or the name of a model with published weights. None is accepted with such a
            name as ``config``, and with ``random_weights``.
        device: for instance ``"cuda:0"`` or ``"cpu"``; by default a GPU where there is one.
        outputs: some of ``"panoptic"``, ``"instance"`` and ``"semantic"``; by default what ``test_cfg`` says.
        cfg_options: overrides of the config, dotted keys and values.
        random_weights: use the model untrained, to try a pipeline or measure.
        trust_config: run the config that the checkpoint holds as a program. Code in it will run: use it only for
            files that you trust.

    Attributes:
        cfg: the config.
        model: the segmentor or detector, in evaluation.
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
        >>> inferencer = MaskFormerInferencer("maskformer_r50_ade20k")  # the paper's weights
        >>> inferencer = MaskFormerInferencer("facebook/maskformer-swin-tiny-coco")  # of Hugging Face's hub
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
        if not random_weights:
            config, checkpoint = find_model(config, checkpoint)
            if checkpoint is None:
                raise UserError(
                    "no checkpoint given; give a file or, in place of config and checkpoint, the name of a model with "
                    "published weights; for a model with random weights say random_weights=True"
                )
        if checkpoint is not None:
            checkpoint = os.fspath(checkpoint)
            check_checkpoint_exists(checkpoint, "checkpoint")
        self.device = find_device(device)
        self.cfg = cfg = config_of_model(config, checkpoint, cfg_options, trust_config)
        init_default_scope(cfg.get("default_scope", "mmseg"))
        check_sizes(cfg)
        sync_dataset_meta(cfg, ("train_dataloader", "test_dataloader"))
        if outputs is not None:
            choose_outputs(cfg, outputs)
        stored = config is None and not trust_config
        with built_from(f"the config of {checkpoint}") if stored else nullcontext():
            self._pipeline = ImagePipeline(cfg)
            self.model = MODELS.build(cfg.model)
            dataset_meta: Mapping[str, Any] = {}
            if checkpoint is not None:
                check_checkpoint_fits(self.model, checkpoint)
                meta = load_checkpoint(self.model, checkpoint, map_location="cpu", logger="silent").get("meta") or {}
                dataset_meta = read_dataset_meta(meta, checkpoint)
            self.classes, self.palette = class_names(dataset_meta, cfg, num_classes(self.model))
            self.model.to(self.device).eval()
            self._numbers = count()  # of images without a name, so that two calls give none the same
            self._lock = Lock()
            if stored:
                self._try()

    def __call__(
        self,
        inputs: ImageSource | Iterable[ImageSource],
        batch_size: int = 1,
        out_dir: str | os.PathLike | None = None,
        on_error: ErrorHandler | None = None,
        *,
        channel_order: str = "bgr",
        outputs: Sequence[str] | None = None,
        threshold: float | None = None,
        progress: bool = False,
    ) -> SegmentationResult | list[SegmentationResult]:
        """Segment one image or many, keeping all results; :meth:`iterate` keeps none.

        Args:
            inputs: a file, a folder, a pattern such as ``"photos/*.jpg"``, an http or https address, the bytes of a
                file, an array (H, W) or (H, W, C), a tensor (C, H, W), Pillow's image, or a sequence of these. Values
                are those of the images that the model was trained on, usually 0..255.
            batch_size: images at once; those of one size that follow one another go through the model together.
            out_dir: where to write overlays and predictions, if anywhere; see :meth:`SegmentationResult.save`.
            on_error: called with the name of an image that cannot be read and the error, then goes on without it; by
                default the error is raised.
            channel_order: "bgr" or "rgb", of arrays and tensors.
            outputs: kinds of prediction of this call; by default those of the inferencer.
            threshold: least class confidence of segments and least score of instances, 0..1, in this call.
            progress: whether to draw a bar.

        Returns:
            One result for a single image. Else a list with one per item of ``inputs``, in order, even if a file is
            given twice; a folder or a pattern stands for its images.

        Raises:
            UserError: an input is no image or does not fit the model, results would be written over one, or the model
                does not have the outputs.
        """
        images = self._list(inputs, channel_order, out_dir)
        if out_dir is not None:
            check_outputs(images, image_outputs(out_dir, output_names(images)))
        found = self.iterate(images, batch_size, on_error, outputs=outputs, threshold=threshold)
        results = []
        for result in with_progress(found, "segmenting", len(images)) if progress else found:
            if out_dir is not None:
                result.save(out_dir)
            results.append(result)
        return results[0] if is_one_image(inputs) and results else results

    def iterate(
        self,
        inputs: ImageSource | Iterable[ImageSource],
        batch_size: int = 1,
        on_error: ErrorHandler | None = None,
        *,
        channel_order: str = "bgr",
        outputs: Sequence[str] | None = None,
        threshold: float | None = None,
    ) -> Iterator[SegmentationResult]:
        """Give out one result after the other, in order; the arguments are those of a call."""
        if batch_size < 1:
            raise UserError(f"batch_size={batch_size} must be at least 1")
        options = call_options(self.model, outputs, threshold)
        images = self._list(inputs, channel_order)
        return self._iterate(images, output_names(images), batch_size, on_error, options)

    def _list(
        self,
        inputs: ImageSource | Iterable[ImageSource],
        channel_order: str = "bgr",
        leave_out: str | os.PathLike | None = None,
    ) -> list[ListedImage]:
        return list_images(
            inputs, leave_out, channel_order, self._pipeline.loading.get("color_type", "color"), self._numbers
        )

    def visualize(self, image: ImageSource, opacity: float = 0.5) -> ndarray:
        """Return a picture of one image's result, (H', W', 3) uint8, RGB; see :meth:`SegmentationResult.overlay`."""
        (result,) = self.iterate(image)
        return result.overlay(opacity)

    def _iterate(
        self,
        images: Sequence[ListedImage],
        names: Sequence[str],
        batch_size: int,
        on_error: ErrorHandler | None,
        options: Mapping[str, Any],
    ) -> Iterator[SegmentationResult]:
        waiting: list[tuple[ListedImage, str, dict]] = []
        for image, name in zip(images, names):
            try:
                sample = self.prepare(image)
            except UserError as error:
                if on_error is None:
                    raise
                on_error(name if isinstance(image, ImageInMemory) else str(image), error)
                continue
            if waiting and waiting[0][2]["inputs"].shape != sample["inputs"].shape:
                yield from self._predict(waiting, options)
                waiting = []
            waiting.append((image, name, sample))
            if len(waiting) == batch_size:
                yield from self._predict(waiting, options)
                waiting = []
        if waiting:
            yield from self._predict(waiting, options)

    def prepare(self, image: ListedImage) -> dict:
        """Put one image through the config's test pipeline.

        Args:
            image: as :func:`mmmaskformer.apis.images.list_images` gives it.

        Returns:
            ``inputs`` and ``data_samples``, as the model's data preprocessor takes them.

        Raises:
            UserError: the file is cut short, or the array does not fit the model.
        """
        return self._pipeline(image, self.model)

    def _try(self) -> None:
        """Predict a small black image, so that a config that does not work is known before the first real one."""
        image = ImageInMemory(np.zeros((*TRIED_SIZE, model_channels(self.model) or 3), np.uint8), "")
        sample = self._pipeline(image, self.model, only_pack=True)
        for _ in self._predict([(image, "", sample)], {}):
            pass

    @torch.no_grad()
    def _predict(
        self, batch: Sequence[tuple[ListedImage, str, dict]], options: Mapping[str, Any]
    ) -> Iterator[SegmentationResult]:
        with self._lock, changed_test_cfg(self.model, options):
            outputs = self.model.test_step(pseudo_collate([sample for _, _, sample in batch]))
        for (image, name, _), output in zip(batch, outputs):
            found = prediction_of(output, len(self.classes))
            if "object_mask_thr" in options and found.instances is not None:
                found = replace(found, instances=found.instances.above(options["object_mask_thr"]))
            source = image.pixels if isinstance(image, ImageInMemory) else image
            about = (self.classes, self.palette, source, name, self._pipeline.loading)
            yield SegmentationResult(found.labels, found.panoptic, found.instances, *about)
