"""Multi-scale and flip testing that averages semantic scores (Sec. 4.2 "m.s.")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from mmmaskformer.registry import MODELS

from .scores import PROBABILITY, score_kind


@MODELS.register_module()
class SemanticTTAModel(BaseTTAModel):
    """Averages the scores over scales and flips, at original size, and takes the largest.

    MaskFormer's scores are sums of probabilities already; mmseg's SegTTAModel would put a softmax on them. The logits
    of a per-pixel head need it. Which of the two a head gives is what :func:`~mmmaskformer.seg.scores.score_kind` says.
    """

    def __init__(self, module, **kwargs) -> None:
        super().__init__(module, **kwargs)
        # mmseg's segmentors read attributes of it, so a ConfigDict.
        self.module.test_cfg = ConfigDict({"mode": "whole", **(self.module.test_cfg or {}), "scores": True})

    def merge_preds(self, data_samples_list: Sequence[Sequence[SegDataSample]]) -> list[SegDataSample]:
        """One sample an image from its augmented ones, each with ``seg_logits`` (K, H', W')."""
        merged = []
        for samples in data_samples_list:
            total = torch.zeros_like(samples[0].seg_logits.data)
            for sample in samples:
                total += self._probabilities(sample.seg_logits.data)
            total /= len(samples)
            sample = samples[0]
            sample.set_data({"seg_logits": PixelData(data=total), "pred_sem_seg": PixelData(data=self._labels(total))})
            merged.append(sample)
        return merged

    def _probabilities(self, scores: Tensor) -> Tensor:
        # mmseg's segmentors have put the sigmoid on a single channel already.
        if len(scores) == 1 or score_kind(self.module.decode_head) == PROBABILITY:
            return scores
        return scores.softmax(dim=0)

    def _labels(self, probabilities: Tensor) -> Tensor:
        """(1, H', W') of (K, H', W'); one channel of a binary head of mmseg's is compared with the head's threshold."""
        threshold = getattr(self.module.decode_head, "threshold", None)
        if len(probabilities) == 1 and threshold is not None:
            return (probabilities > threshold).long()
        return probabilities.argmax(0)[None]
