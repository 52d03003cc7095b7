"""Drawing the results of a test run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import mmcv
from mmengine import fileio
from mmengine.hooks import Hook
from numpy import ndarray

from mmmaskformer.engine.label_maps import png_path
from mmmaskformer.registry import HOOKS

from .colours import distinct_palette
from .pictures import draw_overlay, draw_panels, write_png


@HOOKS.register_module()
class PanelWriterHook(Hook):
    """Draws image | truth | prediction of each test image, or an overlay where the pipeline loads no truth.

    A picture keeps the image's path below the data set's image folder.

    Args:
        out_dir: folder to write to.
    """

    def __init__(self, out_dir: str) -> None:
        self.out_dir = Path(out_dir)

    def before_test(self, runner: Any) -> None:
        """Remembers where the images lie and what the classes are called."""
        dataset = runner.test_dataloader.dataset
        self.image_dir = (getattr(dataset, "data_prefix", None) or {}).get("img_path", "")
        self.classes = list(dataset.metainfo["classes"])
        self.palette = dataset.metainfo.get("palette") or distinct_palette(len(self.classes))

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any, outputs: Sequence[Any]) -> None:
        """Draws one batch."""
        for sample in outputs:
            image = mmcv.imfrombytes(fileio.get(sample.img_path), channel_order="rgb")
            prediction = _label_map(sample.pred_sem_seg)
            if "gt_sem_seg" in sample:
                truth = _label_map(sample.gt_sem_seg)
                # A pipeline that resizes after loading the annotations resizes the truth, too.
                truth = cv2.resize(truth, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
                picture = draw_panels(image, truth, prediction, self.classes, self.palette)
            else:
                picture = draw_overlay(image, prediction, self.classes, self.palette)
            write_png(picture, png_path(self.out_dir, sample.img_path, self.image_dir))


def _label_map(data: Any) -> ndarray:
    # int32: OpenCV resizes no int64.
    return data.data.squeeze(0).cpu().numpy().astype("int32")
