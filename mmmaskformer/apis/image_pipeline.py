"""From an image to a model's input, by the config's test pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose

from mmmaskformer.apis.images import check_decodable
from mmmaskformer.errors import UserError
from mmmaskformer.files import decoding
from mmmaskformer.foreign.pipelines import loads_truth
from mmmaskformer.runs.dataset_info import iterate_datasets


class ImagePipeline:
    """The config's test pipeline without the loading of annotations.

    Args:
        cfg: the config; its default scope must be entered.

    Attributes:
        color_type: how the images are read, as MMCV calls it.

    Raises:
        UserError: see :func:`inference_pipeline`.
    """

    def __init__(self, cfg: Config) -> None:
        loading, *steps = inference_pipeline(cfg)
        self.color_type = loading.get("color_type", "color")
        from_array = dict(type="mmseg.LoadImageFromNDArray", to_float32=loading.get("to_float32", False))
        self._from_file, self._from_array = Compose([loading]), Compose([from_array])
        self._steps, self._packing = Compose(steps), Compose(steps[-1:])

    def __call__(self, image: Path | np.ndarray, name: str = "", only_pack: bool = False) -> dict:
        """One image, ready for the model.

        Args:
            image: a file, or an array (H, W, 3) uint8 BGR.
            name: of an array, in place of a path.
            only_pack: leave out all steps between loading and packing, for instance resizing.

        Returns:
            ``inputs`` and ``data_samples``, as the model's data preprocessor takes them.

        Raises:
            UserError: the file is cut short.
        """
        sample = dict(img_path=name, img_id=0, seg_fields=[], reduce_zero_label=False)
        if isinstance(image, np.ndarray):
            sample = self._from_array({**sample, "img": image})
        else:
            check_decodable(image)
            with decoding("image", image):
                sample = self._from_file({**sample, "img_path": str(image)})
        return (self._packing if only_pack else self._steps)(sample)


def inference_pipeline(cfg: Config) -> list[dict]:
    """Steps of the config's test pipeline without the loading of annotations.

    Raises:
        UserError: the config has none, or it does not lead from an image file to one packed sample.
    """
    datasets = [d for key in ("test_dataloader", "val_dataloader") for d in iterate_datasets(cfg.get(key))]
    steps = next((d.pipeline for d in datasets if d.get("pipeline")), None) or cfg.get("test_pipeline")
    if not steps:
        raise UserError(
            "the config has no test pipeline: neither test_dataloader.dataset.pipeline nor test_pipeline, which say "
            "how an image is read, resized and packed"
        )
    steps = [step.to_dict() if hasattr(step, "to_dict") else dict(step) for step in steps]
    steps = [step for step in steps if not loads_truth(str(step["type"]))]
    names = [str(step["type"]) for step in steps]
    if not names or "LoadImage" not in names[0] or "Pack" not in names[-1]:
        raise UserError(
            f"the config's test pipeline is {' > '.join(names) or 'empty'}: it must begin with LoadImageFromFile and "
            "end with PackSegInputs or PackDetInputs; test-time augmentation belongs into tta_pipeline"
        )
    return steps
