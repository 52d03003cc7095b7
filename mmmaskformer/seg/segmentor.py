"""A segmentor that predicts straight to label maps."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS as MMSEG_MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from mmmaskformer.batches import channels_last, with_input_size
from mmmaskformer.errors import UserError
from mmmaskformer.precision import at_least_float32, in_precision_of
from mmmaskformer.registry import MODELS, class_in_config
from mmmaskformer.stages import fill_in_stages

from .samples import check_label_sizes


@MODELS.register_module()
class MaskFormerSegmentor(EncoderDecoder):
    """mmseg's EncoderDecoder whose prediction is bounded in memory.

    The stock segmentor makes (B, K, H, W) scores, resizes them to the original size and stores them with every sample.
    This one asks the head for label maps, which it streams; scores are made only where they are needed: in a
    sliding window (windows are averaged), in test-time augmentation, or with ``test_cfg=dict(scores=True)``.

    A head of ours may leave out ``in_channels`` and ``strides`` for a backbone that reports its ``channels`` and
    ``strides``, and with a neck that does so or is one of :data:`mmmaskformer.stages.STOCK_NECKS`. Results have the
    right size even where no strides are known, for this segmentor tells its head the size of each input.
    """

    def __init__(self, *args, test_cfg: dict | None = None, **kwargs) -> None:
        # mmseg reads attributes of it, which a plain dict in a script does not have.
        super().__init__(*args, test_cfg=ConfigDict({"mode": "whole", **(test_cfg or {})}), **kwargs)

    def _init_decode_head(self, decode_head: dict) -> None:
        if _reads_stages(decode_head):
            head = {"strides": None, **decode_head}
            neck = self.neck if self.with_neck else None
            decode_head = fill_in_stages(head, "decode_head", self.backbone, neck)
        super()._init_decode_head(decode_head)

    def extract_feat(self, inputs: Tensor) -> Sequence[Tensor]:
        """Return the backbone's features (B, C_i, H/s_i, W/s_i) of images (B, 3, H, W), finest first."""
        return super().extract_feat(channels_last(in_precision_of(self.backbone, inputs)))

    def encode_decode(self, inputs: Tensor, batch_img_metas: Sequence[dict]) -> Tensor:
        """Scores (B, K, H, W) of images (B, 3, H, W), which may be windows of larger ones."""
        return super().encode_decode(inputs, with_input_size(batch_img_metas, inputs))

    def loss(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> dict[str, Tensor]:
        """Losses by name of images (B, 3, H, W).

        Raises:
            UserError: a label map has another size than its image.
        """
        check_label_sizes(data_samples, inputs.shape[-2:])
        metas = with_input_size([sample.metainfo for sample in data_samples], inputs)
        for sample, meta in zip(data_samples, metas):
            sample.set_metainfo(meta)
        return super().loss(inputs, data_samples)

    def predict(self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None) -> list[SegDataSample]:
        """Label maps ``pred_sem_seg`` (1, H', W') at original size; ``seg_logits`` too where scores are asked for."""
        metas = [sample.metainfo for sample in data_samples] if data_samples is not None else [{}] * len(inputs)
        if self._needs_scores(metas):
            return super().predict(inputs, data_samples)
        metas = with_input_size(metas, inputs)
        labels = self.decode_head.predict_labels(self.extract_feat(inputs), metas, tuple(inputs.shape[-2:]))
        samples = list(data_samples) if data_samples is not None else [SegDataSample() for _ in labels]
        for sample, label in zip(samples, labels):
            sample.set_data({"pred_sem_seg": PixelData(data=label[None])})
        return samples

    def slide_inference(self, inputs: Tensor, batch_img_metas: Sequence[dict]) -> Tensor:
        """Scores (B, K, H, W) averaged over overlapping windows, for images of any size.

        A window at the border is moved inwards, and an image smaller than the window is one window; each window
        has its own size in its meta, which the stock loop does only for the first image and only for some keys.
        """
        height, width = inputs.shape[-2:]
        crop_height, crop_width = (min(c, s) for c, s in zip(self.test_cfg.crop_size, (height, width)))
        inputs = at_least_float32(inputs)
        scores = inputs.new_zeros(len(inputs), self.out_channels, height, width)
        count = inputs.new_zeros(1, 1, height, width)
        for top in window_starts(height, crop_height, self.test_cfg.stride[0]):
            for left in window_starts(width, crop_width, self.test_cfg.stride[1]):
                window = (..., slice(top, top + crop_height), slice(left, left + crop_width))
                shape = torch.Size((crop_height, crop_width))
                metas = [dict(meta, img_shape=shape, pad_shape=shape) for meta in batch_img_metas]
                scores[window] += self.encode_decode(inputs[window], metas)
                count[window] += 1
        return scores.div_(count)

    def _needs_scores(self, metas: Sequence[dict]) -> bool:
        return (
            self.test_cfg.get("mode", "whole") == "slide"
            or self.test_cfg.get("scores", False)
            or not hasattr(self.decode_head, "predict_labels")
            or any(meta.get("flip") for meta in metas)
        )


def _reads_stages(head: Mapping) -> bool:
    """Whether a head takes channels and strides as ours do; mmseg's have other conventions."""
    kind = class_in_config(MMSEG_MODELS, head)
    return kind is not None and {"in_channels", "strides"} <= inspect.signature(kind).parameters.keys()


def window_starts(size: int, window: int, stride: int) -> list[int]:
    """Offsets of windows that cover ``size``; the last is moved inwards so that it ends at the border.

    Raises:
        UserError: the stride is not positive, or larger than the window and so leaves gaps.
    """
    if stride < 1 or (stride > window and window < size):
        raise UserError(f"test_cfg.stride={stride} must be between 1 and the window's {window}, or pixels are left out")
    spare = max(size - window, 0)
    return [min(start, spare) for start in range(0, spare + stride, stride)]
