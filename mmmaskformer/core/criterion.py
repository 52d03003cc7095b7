"""Eq. 1 with deep supervision: the classification loss of every query and the mask losses of the matched ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from mmengine import dist
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmmaskformer.errors import UserError
from mmmaskformer.precision import at_least_float32, without_autocast
from mmmaskformer.registry import MODELS, TASK_UTILS
from mmmaskformer.structures import MaskPredictions, SegmentTargets

from .boxes import BoxLoss, boxes_of_segments
from .mask_losses import MaskLoss, mask_losses
from .matching import HungarianAssigner, MatchedPairs


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
            raise UserError(
                f"ClassificationLoss: {len(class_weight)} class weights for {num_classes} classes; the weight of "
                "'no object' is given apart, as no_object_weight"
            )
        self.loss_weight = loss_weight
        # No buffer: half() would round it for good.
        self.weights = torch.tensor([*(class_weight or [1.0] * num_classes), no_object_weight], dtype=torch.float64)

    def forward(self, class_logits: Tensor, labels: Tensor) -> Tensor:
        """Weighted loss (L,) of class logits (L, B, Q, K+1) for labels (L, B, Q), K where there is no segment."""
        layers = class_logits.shape[0]
        class_logits = at_least_float32(class_logits)
        weights = self.weights.to(class_logits.dtype).to(class_logits.device)
        negative_log = F.cross_entropy(class_logits.flatten(0, 2), labels.flatten(), weight=weights, reduction="none")
        normalizer = mean_over_ranks(weights[labels].view(layers, -1).sum(1))
        return negative_log.view(layers, -1).sum(1) / normalizer * self.loss_weight


@MODELS.register_module()
class MaskCriterion(BaseModule):
    """Matching and losses of all decoder layers.

    Args:
        num_classes: K.
        assigner: config of the matching; HungarianAssigner by default, FixedAssigner for MaskFormer-fixed. A
            HungarianAssigner without costs of its own takes those of the mask losses, with their weights.
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
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.deep_supervision = deep_supervision
        self.class_loss = MODELS.build(
            {"type": "mmmaskformer.ClassificationLoss", **(class_loss or {})},
            default_args=dict(num_classes=num_classes),
        )
        mask_losses = mask_losses or [dict(type="mmmaskformer.FocalLoss"), dict(type="mmmaskformer.DiceLoss")]
        self.mask_losses: Sequence[MaskLoss] = nn.ModuleList(map(MODELS.build, mask_losses))  # type: ignore[assignment]
        self.box_losses: Sequence[BoxLoss] = nn.ModuleList(map(MODELS.build, box_losses))  # type: ignore[assignment]
        self.assigner = TASK_UTILS.build(assigner or dict(type="mmmaskformer.HungarianAssigner"))
        costs = [cost for loss in self.mask_losses if (cost := loss.matching_cost())]
        # Losses that have no cost leave the paper's: by class alone, masks would be matched at random.
        if costs and isinstance(self.assigner, HungarianAssigner) and self.assigner.follows_losses:
            self.assigner.set_mask_costs(costs)

    # Each batch has another number of segments, which a compiler would compile for again and again.
    @torch.compiler.disable
    def forward(self, predictions: MaskPredictions, targets: SegmentTargets) -> dict[str, Tensor]:
        """Weighted losses by name.

        The last layer's are ``loss_cls`` and the mask losses' names; layer i's carry the prefix ``d{i}.``, as mmdet's.
        Those of pilots, which need no matching, carry ``pilot.`` before that.

        Raises:
            UserError: box losses without predicted boxes or the reverse.
            FloatingPointError: a prediction is not finite.
        """
        losses = self._losses(predictions, targets, self.assigner)
        if predictions.pilots is not None:
            own = self._losses(predictions.pilots.predictions, targets, predictions.pilots.match)
            losses.update({f"pilot.{name}": value for name, value in own.items()})
        return losses

    def _losses(
        self,
        predictions: MaskPredictions,
        targets: SegmentTargets,
        match: Callable[[MaskPredictions, SegmentTargets], Tensor],
    ) -> dict[str, Tensor]:
        if not self.deep_supervision:
            predictions = predictions.last_layer()
        if bool(len(self.box_losses)) != (predictions.boxes is not None):
            raise UserError(
                f"MaskCriterion has {len(self.box_losses)} box losses but the head predicts "
                f"{'no ' if predictions.boxes is None else ''}boxes: set predict_boxes in the head and box_losses in "
                "the criterion together"
            )
        # Products of 256 terms leave fp16's range and costs must be finite, so nothing here is autocast.
        with without_autocast(predictions.mask_embeds):
            predictions = predictions.at_least_float32()
            pairs = MatchedPairs.of(match(predictions, targets), targets)
            labels = targets.labels.new_full(predictions.class_logits.shape[:3], self.num_classes)
            labels[pairs.index] = targets.labels[pairs.segments]
            by_name = {"loss_cls": self.class_loss(predictions.class_logits, labels)}
            # Segments without a query count, too, as in the reference release.
            num_segments = mean_over_ranks(predictions.mask_embeds.new_tensor([len(targets)])).clamp(min=1)
            for name, values in self.pair_losses(predictions, targets, pairs).items():
                by_name[name] = pairs.sum_by_layer(values) / num_segments
        last = predictions.num_layers - 1
        return {
            name if layer == last else f"d{layer}.{name}": values[layer]
            for layer in range(last, -1, -1)
            for name, values in by_name.items()
        }

    def pair_losses(
        self, predictions: MaskPredictions, targets: SegmentTargets, pairs: MatchedPairs
    ) -> dict[str, Tensor]:
        """Weighted mask and box losses (P,) of the matched pairs, by name."""
        logits = matched_mask_logits(predictions, pairs)
        if pairs.complete:
            # A segment's mask is read once for all layers.
            logits, segments = logits.unflatten(0, (len(targets), predictions.num_layers)), None
        else:
            logits, segments = logits[:, None], pairs.segments
        values = mask_losses(logits, targets.masks, self.mask_losses, segments).flatten(1)
        by_name = {loss.loss_name: value for loss, value in zip(self.mask_losses, values)}
        if predictions.boxes is not None:
            predicted = predictions.boxes[pairs.index]
            boxes = boxes_of_segments(targets.masks, predicted.dtype)[pairs.segments]
            for loss in self.box_losses:
                by_name[loss.loss_name] = loss(predicted, boxes) * loss.loss_weight
        return by_name


def matched_mask_logits(predictions: MaskPredictions, pairs: MatchedPairs) -> Tensor:
    """Mask logits (P, h, w) of the matched pairs alone: gradients flow through about 9 of 100 masks an image."""
    embeds = predictions.mask_embeds[pairs.index].split(pairs.counts)
    return predictions.pixels.masks_of_each([at_least_float32(part) for part in embeds])


def mean_over_ranks(value: Tensor) -> Tensor:
    """Mean of a tensor over the ranks; itself where there is one rank."""
    if dist.get_world_size() == 1:
        return value
    value = value.clone()
    dist.all_reduce(value, op="mean")
    return value
