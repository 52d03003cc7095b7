"""An exported model in place of a config's own, so that a Runner evaluates it with the config's data and metrics."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement, InstanceData, PixelData
from numpy import ndarray
from torch import Tensor

from mmmaskformer.errors import UserError
from mmmaskformer.registry import MODELS
from mmmaskformer.segments import ImageSegmentation

from .runtime import ExportedFunction, read_exported
from .tables import read_tables


@MODELS.register_module()
class ExportedModel(BaseModel):
    """Predicts with an exported file; what comes in and goes out is as with mmseg's segmentors and mmdet's detectors.

    Args:
        path: the file, ONNX or torch.export's.
        data_preprocessor: ignored; normalization and padding are in the file.

    Raises:
        UserError: there is no such file, or it is not an exported model.
    """

    def __init__(self, path: str | os.PathLike, data_preprocessor: dict | None = None) -> None:
        super().__init__()
        self.exported: ExportedFunction = read_exported(path)
        self.description = self.exported.description

    def check_dataset_meta(self, metainfo: Mapping[str, Any]) -> None:
        """Refuse a data set with other classes (called before a run's first iteration).

        Raises:
            UserError: with both lists' first classes that differ.
        """
        ours, theirs = list(self.description["classes"]), list(metainfo.get("classes") or ())
        if theirs and ours != theirs:
            first = next((pair for pair in zip(ours, theirs) if pair[0] != pair[1]), None)
            differ = f"{len(ours)} and {len(theirs)} classes" if first is None else f"{first[0]!r} and {first[1]!r}"
            raise UserError(f"the exported model and the data set have other classes: {differ}")

    def forward(self, inputs: Sequence[Tensor], data_samples: Sequence[BaseDataElement], mode: str = "predict") -> list:
        """Return the samples with predictions at the original size, one image at a time since sizes differ."""
        if mode != "predict":
            raise ValueError(f"an exported model only predicts, got mode={mode!r}")
        for image, sample in zip(inputs, data_samples):
            if image.dtype != torch.uint8 or image.shape[0] != 3:
                raise UserError(
                    f"{sample.get('img_path')}: the test pipeline gives {tuple(image.shape)} {image.dtype}, but an "
                    "exported model takes images as uint8 with 3 channels: leave out to_float32 and Normalize"
                )
            found = self.exported(photo(image), tuple(sample.ori_shape[:2]))
            tables = {name: value[0] for name, value in found.items()}
            self._fill(sample, read_tables(tables, self.description["num_things"]))
        return list(data_samples)

    def test_step(self, data: dict | tuple | list) -> list:
        """Predict what a data loader gives."""
        return self(**data, mode="predict")

    val_step = test_step

    def _fill(self, sample: BaseDataElement, found: ImageSegmentation) -> None:
        num_things = self.description["num_things"]
        if found.labels is not None:
            name = "data" if num_things is None else "sem_seg"
            labels = torch.from_numpy(found.labels).long()[None]
            sample.set_data({"pred_sem_seg": PixelData(**{name: labels})})
        if found.panoptic is not None:
            from mmmaskformer.core.panoptic import PanopticSegments
            from mmmaskformer.det.panoptic_code import write_panoptic

            parts = (found.panoptic.ids.astype(np.int64), found.panoptic.labels, found.panoptic.scores)
            segments = PanopticSegments(*map(torch.from_numpy, parts))
            write_panoptic(sample, segments, num_things, len(self.description["classes"]))
        if found.instances is not None:
            names = dict(labels="labels", scores="scores", bboxes="boxes", masks="masks")
            values = {name: torch.from_numpy(getattr(found.instances, part)) for name, part in names.items()}
            sample.set_data({"pred_instances": InstanceData(**{**values, "labels": values["labels"].long()})})


def photo(image: Tensor) -> ndarray:
    """(1, H, W, 3) RGB, as exported models take it, of an image (3, H, W) BGR, as mmcv loads it."""
    return image[[2, 1, 0]].permute(1, 2, 0)[None].contiguous().cpu().numpy()
