"""From an image to a model's input, by the config's test pipeline."""

from __future__ import annotations

from mmengine.config import Config
from mmengine.dataset import Compose
from torch import nn

from mmmaskformer.apis.arrays import check_whole, fit_model
from mmmaskformer.apis.images import ImageInMemory, ListedImage, check_is_file
from mmmaskformer.apis.model_info import inference_pipeline, model_channels
from mmmaskformer.files import decoding

DEEP_COLOR_TYPES = ("unchanged", "anydepth")  # files are read with their own bits


class ImagePipeline:
    """The config's test pipeline without the loading of annotations.

    Args:
        cfg: the config; its default scope must be entered.

    Attributes:
        loading: how files are read: MMCV's ``color_type`` and ``backend_args``, where the config gives them.

    Raises:
        UserError: see :func:`mmmaskformer.apis.model_info.inference_pipeline`.
    """

    def __init__(self, cfg: Config) -> None:
        loading, *steps = inference_pipeline(cfg)
        self.loading = {key: loading[key] for key in ("color_type", "backend_args") if key in loading}
        from_array = dict(type="mmseg.LoadImageFromNDArray", to_float32=loading.get("to_float32", False))
        self._from_file, self._from_array = Compose([loading]), Compose([from_array])
        self._steps, self._packing = Compose(steps), Compose(steps[-1:])

    def __call__(self, image: ListedImage, model: nn.Module, only_pack: bool = False) -> dict:
        """Prepare one image.

        Args:
            image: as :func:`mmmaskformer.apis.images.list_images` gives it.
            model: that the image is for.
            only_pack: leave out the steps between loading and packing, for instance resizing.

        Returns:
            ``inputs`` and ``data_samples``, as the model's data preprocessor takes them.

        Raises:
            UserError: the file is damaged, or the array does not fit the model.
        """
        sample = dict(img_id=0, seg_fields=[], reduce_zero_label=False)
        if isinstance(image, ImageInMemory):
            eight_bits = self.loading.get("color_type") not in DEEP_COLOR_TYPES
            pixels = fit_model(image.pixels, model_channels(model), eight_bits, image.stem)
            sample = self._from_array(dict(img=pixels, img_path=image.stem, **sample))
        else:
            check_is_file(image)
            check_whole(image, str(image))
            with decoding("image", image):
                sample = self._from_file(dict(img_path=str(image), **sample))
        return (self._packing if only_pack else self._steps)(sample)
