"""An exported model in place of a config's own, so that a Runner evaluates it with the config's data and metrics."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement, InstanceData, PixelData
from numpy import ndarray
from torch import Tensor

from mmmaskformer.errors import UserError
from mmmaskformer.registry import MODELS

from .runtime import ExportedFunction, read_exported


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
            ValueError: with both lists' first classes that differ.
        """
        ours, theirs = list(self.description["classes"]), list(metainfo.get("classes") or ())
        if theirs and ours != theirs:
            first = next((pair for pair in zip(ours, theirs) if pair[0] != pair[1]), None)
            differ = f"{len(ours)} and {len(theirs)} classes" if first is None else f"{first[0]!r} and {first[1]!r}"
            raise ValueError(f"the exported model and the data set have other classes: {differ}")

    def forward(self, inputs: Sequence[Tensor], data_samples: Sequence[BaseDataElement], mode: str = "predict") -> list:
        """The samples with predictions at the original size; one image after the other, since their sizes differ."""
        if mode != "predict":
            raise ValueError(f"an exported model only predicts, got mode={mode!r}")
        for image, sample in zip(inputs, data_samples):
            if image.dtype != torch.uint8 or image.shape[0] != 3:
                raise UserError(
                    f"{sample.get('img_path')}: the test pipeline gives {tuple(image.shape)} {image.dtype}, but an "
                    "exported model takes images as uint8 with 3 channels: leave out to_float32 and Normalize"
                )
            found = self.exported(photo(image), tuple(sample.ori_shape[:2]))
            self._fill(sample, {name: torch.from_numpy(value)[0] for name, value in found.items()})
        return list(data_samples)

    def test_step(self, data: dict | tuple | list) -> list:
        """Predict what a data loader gives."""
        return self(**data, mode="predict")

    val_step = test_step

    def _fill(self, sample: BaseDataElement, found: Mapping[str, Tensor]) -> None:
        num_things = self.description["num_things"]
        if "labels" in found:
            name = "data" if num_things is None else "sem_seg"
            sample.set_data({"pred_sem_seg": PixelData(**{name: found["labels"].long()[None]})})
        if "segment_map" in found:
            self._fill_panoptic(sample, found, num_things)
        if "instance_masks" in found:
            rows = found["instance_labels"] >= 0
            names = dict(labels="labels", scores="scores", bboxes="boxes", masks="masks")
            values = {name: found[f"instance_{part}"][rows] for name, part in names.items()}
            values["labels"] = values["labels"].long()
            sample.set_data({"pred_instances": InstanceData(**values)})

    def _fill_panoptic(self, sample: BaseDataElement, found: Mapping[str, Tensor], num_things: int) -> None:
        from mmmaskformer.core.panoptic import PanopticSegments
        from mmmaskformer.det.head import add_panoptic

        labels, rows = found["segment_labels"].long(), found["segment_labels"] >= 0
        number = torch.where(rows, rows.cumsum(0) - 1, -1)
        index_map = torch.cat([number, number.new_tensor([-1])])[found["segment_map"].long()]
        segments = PanopticSegments(index_map, labels[rows], found["segment_scores"][rows])
        add_panoptic(sample, segments, num_things, len(self.description["classes"]))


def photo(image: Tensor) -> ndarray:
    """(1, H, W, 3) RGB, as exported models take it, of an image (3, H, W) BGR, as mmcv loads it."""
    return image[[2, 1, 0]].permute(1, 2, 0)[None].contiguous().cpu().numpy()
