"""``init_model`` and ``inference_model``, for those who know mmseg's, and mmdet's of a detector."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch import nn

from mmmaskformer.apis.image_pipeline import ImagePipeline
from mmmaskformer.apis.images import ImageSource, is_one_image, list_images
from mmmaskformer.apis.inferencer import MaskFormerInferencer

if TYPE_CHECKING:
    from mmdet.structures import DetDataSample
    from mmseg.structures import SegDataSample


def init_model(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    device: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Return a model with its weights, as mmseg's ``init_model`` and mmdet's ``init_detector`` give it.

    Args:
        config: a semantic config of mmseg, or one of mmdet whose model has a ``panoptic_head``: a file, the name of a
            config of ours, or a config that was read. A config file is a program that runs.
        checkpoint: the weights, which are read as data. None for random weights.
        device: for instance ``"cuda:0"`` or ``"cpu"``; by default a GPU where there is one, unlike in mmseg.
        cfg_options: overrides of the config, dotted keys and values.

    Returns:
        The segmentor or detector, in evaluation. Its ``cfg`` is the config, and ``dataset_meta`` has the names of the
        ``classes`` and their ``palette``.

    Raises:
        UserError: as for :class:`MaskFormerInferencer`; above all, the checkpoint does not fit the model.
    """
    found = MaskFormerInferencer(config, checkpoint, device, cfg_options=cfg_options, random_weights=checkpoint is None)
    found.model.cfg = found.cfg
    found.model.dataset_meta = dict(classes=found.classes, palette=found.palette)
    return found.model


@torch.no_grad()
def inference_model(
    model: nn.Module, image: ImageSource | Sequence[ImageSource]
) -> SegDataSample | DetDataSample | list[SegDataSample] | list[DetDataSample]:
    """Predicts images, as mmseg's ``inference_model`` and mmdet's ``inference_detector`` do.

    Args:
        model: from :func:`init_model`, or from mmseg's or mmdet's own.
        image: a file, an array (H, W, 3) uint8 BGR, or a list of these.

    Returns:
        One data sample for one image, a list for a list. A segmentor's is a ``SegDataSample`` with ``pred_sem_seg``;
        it has ``seg_logits`` only with ``test_cfg=dict(scores=True)``. A detector's is a ``DetDataSample`` with those
        of ``pred_panoptic_seg``, ``pred_instances`` and ``pred_sem_seg`` that its ``test_cfg`` asks for.

    Raises:
        UserError: an image is missing or cannot be read.
    """
    init_default_scope(model.cfg.get("default_scope", "mmseg"))
    pipeline = ImagePipeline(model.cfg)
    images = list_images(image, color_type=pipeline.loading.get("color_type", "color"))
    samples = [model.test_step(pseudo_collate([pipeline(one, model)]))[0] for one in images]
    return samples[0] if is_one_image(image) else samples
