"""Multi-scale and flip testing that averages semantic scores (Sec. 4.2 "m.s.")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmmaskformer.registry import MODELS


@MODELS.register_module()
class SemanticTTAModel(BaseTTAModel):
    """Averages the scores over scales and flips, at original size, and takes the largest.

    MaskFormer's scores are sums of probabilities already; mmseg's SegTTAModel would put a softmax on them. For a
    per-pixel baseline, whose outputs are logits, the softmax belongs there: its head says so by having no
    ``predict_labels``.
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
                scores = sample.seg_logits.data
                total += scores if hasattr(self.module.decode_head, "predict_labels") else scores.softmax(dim=0)
            total /= len(samples)
            sample = samples[0]
            sample.set_data(
                {"seg_logits": PixelData(data=total), "pred_sem_seg": PixelData(data=total.argmax(0)[None])}
            )
            merged.append(sample)
        return merged
