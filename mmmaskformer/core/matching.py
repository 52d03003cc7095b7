"""Which query answers for which ground-truth segment (Sec. 3.2): bipartite matching and fixed matching.

Both give an int64 tensor (L, M) on the host: for each decoder layer the query, 0..Q-1, of each of the batch's M
segments, or -1 for a segment without one. An assigner of one's own may leave it on the device.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.logging import print_log
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from mmmaskformer.errors import NotFiniteError, UserError
from mmmaskformer.precision import at_least_float32
from mmmaskformer.registry import TASK_UTILS
from mmmaskformer.structures import MaskPredictions, SegmentTargets

from .boxes import BoxCost, boxes_of_segments
from .numerics import binary_cross_entropy_terms, power, rows_per_chunk

PRODUCT_ROWS = 128  # queries whose masks are made at once, over all layers; bounds memory to PRODUCT_ROWS x B x h x w
SEGMENTS_PER_PASS = 128  # segments per image whose masks are held at once; more than almost any image has
UNMATCHED = -1  # query of a segment that has none


@TASK_UTILS.register_module()
class ClassCost:
    """``-p_i(c_j)``: how little a query believes in the segment's class."""

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, class_logits: Tensor, labels: Tensor) -> Tensor:
        """Cost (L, B, Q, N) from class logits (L, B, Q, K+1) and the labels (B, N) of N segments per image."""
        probabilities = at_least_float32(class_logits).softmax(-1)
        return probabilities.gather(3, labels[None, :, None].expand(*probabilities.shape[:3], -1)) * -self.weight


class MaskCost:
    """A cost between mask logits and binary masks; subclasses give it for a chunk of queries."""

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Unweighted cost (B, R, N) of mask logits (B, R, P) for binary masks (B, N, P) at P pixels."""
        raise NotImplementedError


@TASK_UTILS.register_module()
class FocalCost(MaskCost):
    """Focal loss of every query for every segment, a mean over pixels (Sec. 4.1 "Loss weights").

    ``pos.t + neg.(1-t) = (pos-neg).t + sum(neg)``: one matrix product gives it for all segments.
    """

    def __init__(self, weight: float = 20.0, alpha: float = 0.25, gamma: float = 2.0) -> None:
        super().__init__(weight)
        self.alpha = alpha
        self.gamma = gamma

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        probability, negative_entropy = binary_cross_entropy_terms(logits)
        positive = (negative_entropy - logits).mul_(power(1 - probability, self.gamma)).mul_(self.alpha)
        negative = negative_entropy.mul_(power(probability, self.gamma)).mul_(1 - self.alpha)
        total = negative.sum(-1, keepdim=True)
        return positive.sub_(negative).bmm(masks.mT).add_(total).div_(logits.shape[-1])


@TASK_UTILS.register_module()
class DiceCost(MaskCost):
    """Dice loss of every query for every segment (Sec. 4.1 "Loss weights"), smoothed by ``eps``."""

    def __init__(self, weight: float = 1.0, eps: float = 1.0) -> None:
        super().__init__(weight)
        self.eps = eps

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        probability = logits.sigmoid()
        overlap = 2 * probability.bmm(masks.mT) + self.eps
        return 1 - overlap / (probability.sum(-1)[..., None] + masks.sum(-1)[:, None] + self.eps)


@TASK_UTILS.register_module()
class HungarianAssigner:
    """Bipartite matching by class and mask, for every layer and image in one pass.

    All Q masks are made at h x w, a chunk at a time and without gradients; the cost stays on the device and crosses to
    the host once a step.

    Args:
        costs: configs of the costs. By default the class cost with weight 1 and, in a criterion, the costs of its mask
            losses with their weights, as in the reference release; elsewhere the paper's focal 20 and dice 1. By box
            (Table 5): ClassCost, BoxL1Cost and GIoUCost; masks are not made then.

    Attributes:
        follows_losses: whether a criterion chooses the costs.
    """

    def __init__(self, costs: Sequence[dict] | None = None) -> None:
        self.follows_losses = not costs
        self._warned = False
        if costs:
            self._set(costs)
        else:
            self.set_mask_costs([dict(type="mmmaskformer.FocalCost"), dict(type="mmmaskformer.DiceCost")])

    def set_mask_costs(self, costs: Sequence[dict]) -> None:
        """Match by class and by these costs of masks."""
        self._set([dict(type="mmmaskformer.ClassCost"), *costs])

    def _set(self, costs: Sequence[dict]) -> None:
        built = [TASK_UTILS.build(cost) for cost in costs]
        self.mask_costs = [cost for cost in built if isinstance(cost, MaskCost)]
        self.box_costs = [cost for cost in built if isinstance(cost, BoxCost)]
        self.class_costs = [cost for cost in built if not isinstance(cost, MaskCost | BoxCost)]

    @torch.no_grad()
    def __call__(self, predictions: MaskPredictions, targets: SegmentTargets) -> Tensor:
        """Match.

        Where an image has more segments than there are queries, the cheapest assignment of all queries leaves some
        segments without one, as in the reference release. The first such image is named in a warning.

        Raises:
            FloatingPointError: a prediction is not finite; names the tensor and the layer.
        """
        layers, _, queries = predictions.mask_embeds.shape[:3]
        matching = torch.full((layers, len(targets)), UNMATCHED)
        if len(targets) == 0:
            return matching
        if max(targets.counts) > queries:
            self._warn_of_too_few(queries, targets)
        costs = self.cost(predictions, targets).cpu()
        if not costs.isfinite().all():
            raise NotFiniteError(describe_non_finite(predictions))
        for layer in range(layers):
            start = 0
            for image, count in enumerate(targets.counts):
                rows, columns = linear_sum_assignment(costs[layer, image, :, :count].numpy())
                matching[layer, start + torch.from_numpy(columns)] = torch.from_numpy(rows)
                start += count
        return matching

    def cost(self, predictions: MaskPredictions, targets: SegmentTargets) -> Tensor:
        """Weighted cost (L, B, Q, N), N the most segments per image; columns past an image's count are void.

        In fp32, or in double for predictions in double.
        """
        predictions = predictions.at_least_float32()
        labels = targets.pad(targets.labels)
        cost = predictions.class_logits.new_zeros(*predictions.class_logits.shape[:3], labels.shape[1])
        for class_cost in self.class_costs:
            cost += class_cost(predictions.class_logits, labels)
        if self.box_costs:
            if predictions.boxes is None:
                names = ", ".join(type(box_cost).__name__ for box_cost in self.box_costs)
                raise UserError(f"{names}: the model predicts no boxes; set predict_boxes=True in the head")
            boxes = targets.pad(boxes_of_segments(targets.masks, cost.dtype))
            cost += sum(box_cost(predictions.boxes, boxes) * box_cost.weight for box_cost in self.box_costs)
        if self.mask_costs:
            self._add_mask_costs(cost, predictions, targets)
        return cost

    def _add_mask_costs(self, cost: Tensor, predictions: MaskPredictions, targets: SegmentTargets) -> None:
        layers, batch, queries, channels = predictions.mask_embeds.shape
        pixels = predictions.pixel_embeds.flatten(2)
        embeds = predictions.mask_embeds.transpose(0, 1).reshape(batch, layers * queries, channels)
        for images, segments, masks in targets.padded_masks(predictions.mask_size, SEGMENTS_PER_PASS, cost.dtype):
            if len(images) == batch:
                part = self._mask_costs(embeds, pixels, masks)
            else:
                part = self._mask_costs(embeds[images], pixels[images], masks)
            cost[:, images, :, segments] += part.view(len(images), layers, queries, -1).transpose(0, 1)

    def _mask_costs(self, embeds: Tensor, pixels: Tensor, masks: Tensor) -> Tensor:
        """Weighted cost (B, R, N) of embeddings (B, R, C) at pixels (B, C, P) for masks (B, N, P)."""
        rows = rows_per_chunk(pixels.device, len(pixels) * pixels.shape[-1])
        # A matrix product wants many rows at once, elementwise work wants its temporaries to stay in the cache.
        chunks = []
        for chunk in embeds.split(PRODUCT_ROWS, dim=1):
            for logits in chunk.bmm(pixels).split(rows, dim=1):
                first, *rest = (cost(logits, masks) * cost.weight for cost in self.mask_costs)
                chunks.append(sum(rest, first))
            # A view of the whole product, which would otherwise be kept until the next one is there.
            del logits
        return torch.cat(chunks, dim=1)

    def _warn_of_too_few(self, queries: int, targets: SegmentTargets) -> None:
        """Once in the life of an assigner, which is that of a training."""
        if self._warned:
            return
        self._warned = True
        most = max(targets.counts)
        print_log(
            f"{targets.name(targets.counts.index(most))} has {most} segments but the model has {queries} queries, "
            f"which leaves {most - queries} without a query. To train on all, raise num_queries to at least the most "
            "segments in an image. Further images with too many segments are not reported",
            logger="current",
            level=logging.WARNING,
        )


@TASK_UTILS.register_module()
class FixedAssigner:
    """Fixed matching by class index (Sec. 3.2; MaskFormer-fixed of Table 4): query i answers for class i, so Q = K."""

    def __call__(self, predictions: MaskPredictions, targets: SegmentTargets) -> Tensor:
        """Match.

        Raises:
            UserError: the number of queries is not the number of classes, or an image has two segments of one class.
        """
        if predictions.num_queries != predictions.num_classes:
            raise UserError(
                f"fixed matching needs as many queries as classes, got {predictions.num_queries} queries and "
                f"{predictions.num_classes} classes: set num_queries={predictions.num_classes} or use HungarianAssigner"
            )
        labels = targets.labels.cpu()
        for image, own in enumerate(labels.split(targets.counts)):
            if len(own.unique()) < len(own):
                raise UserError(
                    f"fixed matching gives a class one query, but {targets.name(image)} has several segments of one "
                    f"class (labels {own.tolist()}): use HungarianAssigner for instances"
                )
        return labels.expand(predictions.num_layers, -1)


@dataclass(frozen=True)
class MatchedPairs:
    """The P pairs of a segment and a layer where it has a query: segment by segment, layers in rising order.

    Attributes:
        layers: (P,) int64, as are the next three.
        images: in the batch.
        queries: 0..Q-1.
        segments: in the batch, 0..M-1.
        counts: pairs of each image.
        size: (M, L).
    """

    layers: Tensor
    images: Tensor
    queries: Tensor
    segments: Tensor
    counts: list[int]
    size: tuple[int, int]

    @classmethod
    def of(cls, matching: Tensor, targets: SegmentTargets) -> MatchedPairs:
        """From an assigner's matching (L, M), on the device of the targets.

        Pairs are counted on the host, where our assigners leave their matching.
        """
        queries = matching.T.cpu()
        segments, layers = (queries >= 0).nonzero(as_tuple=True)
        images = torch.repeat_interleave(torch.tensor(targets.counts))[segments]
        index = torch.stack([layers, images, queries[segments, layers], segments])
        counts = images.bincount(minlength=len(targets.counts)).tolist()
        layers, images, matched, segments = index.to(targets.labels.device, non_blocking=True)
        return cls(layers, images, matched, segments, counts, (queries.shape[0], queries.shape[1]))

    @property
    def complete(self) -> bool:
        """Whether every segment has a query at every layer."""
        return sum(self.counts) == math.prod(self.size)

    @property
    def index(self) -> tuple[Tensor, Tensor, Tensor]:
        """Index of the pairs' queries into predictions (L, B, Q, ...)."""
        return self.layers, self.images, self.queries

    def sum_by_layer(self, values: Tensor) -> Tensor:
        """Sum (L,) of the pairs' values (P,)."""
        table = values.new_zeros(self.size)
        table[self.segments, self.layers] = values
        return table.sum(0)


def describe_non_finite(predictions: MaskPredictions) -> str:
    """Which prediction is not finite, in words: the tensor, and the first decoder layer of those that have layers."""
    pixels = predictions.pixel_embeds
    if not pixels.isfinite().all():
        where = "pixel_embeds (the pixel decoder's output)"
    else:
        where = "the mask product (mask_embeds . pixel_embeds overflows)"
        for name in ("class_logits", "mask_embeds", "boxes"):
            value = getattr(predictions, name)
            finite = torch.ones(1) if value is None else value.flatten(1).isfinite().all(1)
            if not finite.all():
                where = f"{name} of decoder layer {int(finite.logical_not().nonzero()[0])}"
                break
    return (
        f"non-finite values in {where}: the training has diverged or the input is not finite. Look at the learning "
        "rate, the gradient clipping, the precision (bf16 has a wider range than fp16) and the images"
    )
