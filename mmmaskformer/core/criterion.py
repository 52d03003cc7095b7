"""Eq. 1 with deep supervision: the classification loss of every query and the mask losses of the matched ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine import dist
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmmaskformer.registry import MODELS, TASK_UTILS
from mmmaskformer.structures import MaskPredictions, SegmentTargets

from .boxes import BoxLoss, boxes_of_masks, normalised
from .mask_losses import MaskLoss, mask_losses


@MODELS.register_module()
class ClassificationLoss(BaseModule):
    """Cross-entropy over K+1 classes; queries without a segment learn "no object", weighted down (Sec. 4.1).

    The weighted mean divides by the sum of the class weights of all queries on all ranks: on one rank that is the
    reference release's mean, and on several the ranks together are one large batch.

    Args:
        num_classes: K.
        no_object_weight: weight of "no object", 0.1 in the paper.
        class_weight: weights of the K classes, 1 by default.
        loss_weight: factor in the total.
    """

    def __init__(
        self,
        num_classes: int,
        no_object_weight: float = 0.1,
        class_weight: Sequence[float] | None = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if class_weight is not None and len(class_weight) != num_classes:
            raise ValueError(
                f"ClassificationLoss: {len(class_weight)} class weights for {num_classes} classes; the weight of "
                "'no object' is given apart, as no_object_weight"
            )
        self.loss_weight = loss_weight
        weights = list(class_weight or [1.0] * num_classes) + [no_object_weight]
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32), persistent=False)

    def forward(self, class_logits: Tensor, labels: Tensor) -> Tensor:
        """Weighted loss (L,) of class logits (L, B, Q, K+1) for labels (L, B, Q), K where there is no segment."""
        layers = class_logits.shape[0]
        negative_log = F.cross_entropy(
            class_logits.float().flatten(0, 2), labels.flatten(), weight=self.weights, reduction="none"
        )
        normaliser = mean_over_ranks(self.weights[labels].view(layers, -1).sum(1))
        return negative_log.view(layers, -1).sum(1) / normaliser * self.loss_weight


@MODELS.register_module()
class MaskCriterion(BaseModule):
    """Matching and losses of all decoder layers.

    Args:
        num_classes: K.
        assigner: config of the matching; HungarianAssigner by default, FixedAssigner for MaskFormer-fixed.
        class_loss: config of the classification loss.
        mask_losses: configs of the mask losses; focal 20 and dice 1 by default. Add "loss_weight" to change a weight.
        box_losses: configs of losses of the matched boxes (Table 5), for a model that predicts boxes; none by default.
        deep_supervision: the same loss after every decoder layer (Sec. 4.1), not after the last alone.
    """

    def __init__(
        self,
        num_classes: int,
        assigner: dict | None = None,
        class_loss: dict | None = None,
        mask_losses: Sequence[dict] | None = None,
        box_losses: Sequence[dict] = (),
        deep_supervision: bool = True,
        pixel_class_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.pixel_class_weight = pixel_class_weight
        self.deep_supervision = deep_supervision
        self.assigner = TASK_UTILS.build(assigner or dict(type="mmmaskformer.HungarianAssigner"))
        self.class_loss = MODELS.build(
            {"type": "mmmaskformer.ClassificationLoss", **(class_loss or {})},
            default_args=dict(num_classes=num_classes),
        )
        mask_losses = mask_losses or [dict(type="mmmaskformer.FocalLoss"), dict(type="mmmaskformer.DiceLoss")]
        self.mask_losses: Sequence[MaskLoss] = nn.ModuleList(MODELS.build(loss) for loss in mask_losses)
        self.box_losses: Sequence[BoxLoss] = nn.ModuleList(MODELS.build(loss) for loss in box_losses)

    # Each batch has another number of segments, which a compiler would compile for again and again.
    @torch.compiler.disable
    def forward(self, predictions: MaskPredictions, targets: SegmentTargets) -> dict[str, Tensor]:
        """Weighted losses by name.

        The last layer's are ``loss_cls`` and the mask losses' names; layer i's carry the prefix ``d{i}.``, as mmdet's.

        Raises:
            ValueError: more segments than queries in an image, or box losses without predicted boxes or the reverse.
            FloatingPointError: a prediction is not finite.
        """
        if not self.deep_supervision:
            predictions = predictions.last_layer()
        if bool(len(self.box_losses)) != (predictions.boxes is not None):
            raise ValueError(
                f"MaskCriterion has {len(self.box_losses)} box losses but the head predicts "
                f"{'no ' if predictions.boxes is None else ''}boxes: set predict_boxes in the head and box_losses in "
                "the criterion together"
            )
        # Products of 256 terms leave fp16's range and costs must be finite, so nothing here is autocast.
        with torch.autocast(predictions.mask_embeds.device.type, enabled=False):
            predictions = predictions.float()
            matching = self.assigner(predictions, targets)
            images = torch.repeat_interleave(torch.tensor(targets.counts)).to(matching.device)
            labels = matching.new_full(predictions.class_logits.shape[:3], self.num_classes)
            layers = torch.arange(len(matching), device=matching.device)[:, None].expand_as(matching)
            matched = (layers, images.expand_as(matching), matching)
            labels[matched] = targets.labels.expand_as(matching)
            by_name = {"loss_cls": self.class_loss(predictions.class_logits, labels)}

            logits = matched_mask_logits(predictions, targets.counts, matching)
            values = mask_losses(logits, targets.masks, self.mask_losses)
            num_segments = mean_over_ranks(values.new_tensor([len(targets)])).clamp(min=1)
            per_layer = values.sum(1) / num_segments
            by_name.update({loss.loss_name: value for loss, value in zip(self.mask_losses, per_layer)})
            if predictions.boxes is not None:
                boxes = normalised(boxes_of_masks(targets.masks), targets.masks.shape[-2:])
                for loss in self.box_losses:
                    value = loss(predictions.boxes[matched], boxes.expand(len(matching), -1, -1)).sum(1)
                    by_name[loss.loss_name] = value / num_segments * loss.loss_weight
        last = predictions.num_layers - 1
        more = {}
        if predictions.pixel_logits is not None and self.pixel_class_weight:
            maps = targets.label_maps(tuple(predictions.pixel_logits.shape[-2:]), -100)
            total = F.cross_entropy(predictions.pixel_logits.float(), maps, reduction="sum")
            more["loss_pixel_cls"] = total / (maps >= 0).sum().clamp(min=1) * self.pixel_class_weight
        return more | {
            name if layer == last else f"d{layer}.{name}": values[layer]
            for layer in range(last, -1, -1)
            for name, values in by_name.items()
        }


def matched_mask_logits(predictions: MaskPredictions, counts: Sequence[int], matching: Tensor) -> Tensor:
    """Mask logits of the matched queries alone: gradients flow through about 9 of 100 masks an image.

    Args:
        predictions: of all layers.
        counts: segments of each image.
        matching: (L, M) the query of each segment.

    Returns:
        (M, L, h, w): for each segment the mask that each layer matched with it.
    """
    layers = torch.arange(len(matching), device=matching.device)
    logits = []
    for image, queries in enumerate(matching.T.split(list(counts))):
        embeds = predictions.mask_embeds[layers, image, queries]
        logits.append(predictions.masks_of(image, embeds.flatten(0, 1)))
    return torch.cat(logits).unflatten(0, (-1, len(layers)))


def mean_over_ranks(value: Tensor) -> Tensor:
    """Mean of a tensor over the ranks; itself where there is one rank."""
    if dist.get_world_size() == 1:
        return value
    value = value.clone()
    dist.all_reduce(value, op="mean")
    return value
