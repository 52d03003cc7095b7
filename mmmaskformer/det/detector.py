"""The detector: backbone and panoptic head behind mmdet's data and runner."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.models.detectors import BaseDetector
from mmdet.structures import DetDataSample
from torch import Tensor

from mmmaskformer.batches import channels_last
from mmmaskformer.precision import in_precision_of
from mmmaskformer.registry import MODELS
from mmmaskformer.stages import fill_in_stages


@MODELS.register_module()
class MaskFormer(BaseDetector):
    """One model for panoptic, instance and semantic segmentation (Sec. 3); what it predicts is ``test_cfg``'s choice.

    Args:
        backbone: config of the backbone.
        panoptic_head: config of the head; ``in_channels`` may be left out for a backbone that reports its ``channels``
            and ``strides``, and with a neck that does so or is one of :data:`mmmaskformer.stages.STOCK_NECKS`.
        neck: config of a neck, if any.
        train_cfg: handed to the head, as mmdet's detector does.
        test_cfg: see :class:`MaskFormerPanopticHead`.
        data_preprocessor: config, usually mmdet's DetDataPreprocessor with ``pad_mask`` and ``pad_seg``.
        init_cfg: as for every module of MMEngine.
    """

    def __init__(
        self,
        backbone: dict,
        panoptic_head: dict,
        neck: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        if neck is not None:
            self.neck = MODELS.build(neck)
        head = {**panoptic_head, "train_cfg": train_cfg, "test_cfg": test_cfg}
        self.panoptic_head = MODELS.build(
            fill_in_stages(head, "panoptic_head", self.backbone, self.neck if self.with_neck else None)
        )

    def extract_feat(self, batch_inputs: Tensor) -> Sequence[Tensor]:
        """Features (B, C_i, H/s_i, W/s_i) of images (B, 3, H, W), finest first."""
        batch_inputs = in_precision_of(self.backbone, batch_inputs)
        features = self.backbone(channels_last(batch_inputs))
        return self.neck(features) if self.with_neck else features

    def loss(self, batch_inputs: Tensor, batch_data_samples: Sequence[DetDataSample]) -> dict[str, Tensor]:
        """Losses by name of images (B, 3, H, W)."""
        return self.panoptic_head.loss(self.extract_feat(batch_inputs), batch_data_samples)

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[DetDataSample], rescale: bool = True
    ) -> Sequence[DetDataSample]:
        """Return the samples with their predictions; see :meth:`MaskFormerPanopticHead.predict_samples`."""
        return self.panoptic_head.predict_samples(self.extract_feat(batch_inputs), batch_data_samples, rescale)

    def _forward(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[DetDataSample] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Class logits (L, B, Q, K+1) and the last layer's mask logits (B, Q, h, w), without post-processing."""
        predictions = self.panoptic_head(self.extract_feat(batch_inputs), batch_data_samples)
        return predictions.class_logits, predictions.mask_logits()
