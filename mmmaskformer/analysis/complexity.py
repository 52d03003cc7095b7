"""Parameters and multiply-adds of any mmseg or mmdet model, without memory or time for its tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import MODELS, TRANSFORMS, DefaultScope
from mmengine.structures import BaseDataElement
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmmaskformer.errors import UserError
from mmmaskformer.pixels import PixelEmbeddings, PixelFeatures
from mmmaskformer.runs.dataset_info import iterate_datasets

PHOTO = (480, 640)


@dataclass(frozen=True)
class Complexity:
    """What a model costs.

    Attributes:
        parameters: of the whole model as built, auxiliary heads and frozen norms with it.
        multiply_adds: of convolutions, matrix products and attention (torch's counter, halved) in predicting one image:
            backbone, head, and for masks those of the last layer with the class product at input size. Per-pixel
            embeddings are made in full, as in the paper, whose figures these are.
        multiply_adds_as_run: the same of what our models do: a few masks are made without the embeddings.
    """

    parameters: int
    multiply_adds: int
    multiply_adds_as_run: int


def build_on_meta(cfg: Config) -> BaseModel:
    """Return the config's model on the ``meta`` device, in evaluation: large ones would take gigabytes."""
    linspace = torch.linspace
    # Swin reads the values of its drop-path schedule while it is built, so these must exist.
    torch.linspace = partial(linspace, device="cpu")
    try:
        with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmseg")), torch.device("meta"):
            return MODELS.build(cfg.model).eval()
    finally:
        torch.linspace = linspace


def input_size(cfg: Config) -> tuple[int, int]:
    """(height, width) of the recipe's crop; without one, what the test pipeline makes of a photo of 640x480.

    Raises:
        UserError: the config has neither.
    """
    preprocessor = cfg.model.get("data_preprocessor") or cfg.get("data_preprocessor") or {}
    if preprocessor.get("size"):
        return tuple(preprocessor["size"])
    datasets = iterate_datasets(cfg.get("test_dataloader"))
    pipeline = next((dataset.pipeline for dataset in datasets if dataset.get("pipeline")), [])
    photo: dict[str, Any] = dict(img=np.zeros((*PHOTO, 3), np.uint8), img_shape=PHOTO)
    resizes = [step for step in pipeline if "Resize" in str(step.get("type"))]
    if not resizes:
        raise UserError("the config names no crop and no size of test images: give --size HEIGHT WIDTH")
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmseg")):
        for step in resizes:
            photo = TRANSFORMS.build(step)(photo)
    divisor = preprocessor.get("pad_size_divisor", 1)
    return tuple(-(-side // divisor) * divisor for side in photo["img"].shape[:2])


def complexity(cfg: Config, size: tuple[int, int]) -> Complexity:
    """Count for one image of ``size`` (height, width)."""
    # Only on this device attention is made of matrix products, which the counter knows; a CPU's kernel it does not.
    model = build_on_meta(cfg).requires_grad_(False)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    as_run = multiply_adds(model, size)
    for module in model.modules():
        module.register_forward_hook(make_embeddings)
    return Complexity(parameters, multiply_adds(model, size), as_run)


@torch.no_grad()
def multiply_adds(model: BaseModel, size: tuple[int, int]) -> int:
    """Multiply-adds of one image's scores (a segmentor) or of its raw outputs (a detector)."""
    image, sample = torch.zeros(1, 3, *size, device="meta"), new_sample(model, size)
    with FlopCounterMode(display=False) as counter:
        if hasattr(model, "encode_decode"):
            model.encode_decode(image, [sample.metainfo])
        else:
            model(image, [sample], mode="tensor")
    return counter.get_total_flops() // 2


def new_sample(model: BaseModel, size: tuple[int, int]) -> BaseDataElement:
    """Return what comes with an unpadded test image of ``size`` (height, width), in mmseg or mmdet as the model is."""
    if hasattr(model, "encode_decode"):
        from mmseg.structures import SegDataSample as Sample
    else:
        from mmdet.structures import DetDataSample as Sample
    shapes = dict.fromkeys(("img_shape", "ori_shape", "pad_shape", "batch_input_shape"), size)
    return Sample(metainfo=dict(shapes, scale_factor=(1.0, 1.0)))


def make_embeddings(module: nn.Module, inputs: tuple, output: Any) -> Any:
    """Forward hook: a pixel decoder's last convolution is done at once."""
    if isinstance(output, PixelFeatures):
        return replace(output, pixels=PixelEmbeddings(output.pixels.dense()))
    return output
