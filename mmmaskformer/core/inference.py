"""From probability-mask pairs to pixels (Sec. 3.4): semantic inference and general inference for semantic output.

Label maps are made in tiles of rows straight from the factorized masks: neither Q x H x W masks nor K x H x W scores
are ever held. Two orders exist at test time and give different pixels at segment borders:

- "scores": mask logits to the padded input size, sigmoid, class product, crop, scores to the output size
  (the reference release's semantic models);
- "mask_logits": mask logits to the padded input size, crop, to the output size, then sigmoid and class product
  (the release with panoptic output on).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmmaskformer.errors import UserError
from mmmaskformer.precision import at_least_float32, without_autocast
from mmmaskformer.structures import MaskPredictions

from .tiles import ORDERS, OutputGeometry, argmax_last, tiles

METHODS = ("semantic", "general")


def class_probabilities(class_logits: Tensor) -> Tensor:
    """Softmax over K+1 classes without the "no object" column: (..., K+1) -> (..., K)."""
    return at_least_float32(class_logits).softmax(-1)[..., :-1]


def semantic_scores(predictions: MaskPredictions, size: tuple[int, int], layer: int = -1) -> Tensor:
    """Semantic inference as whole score maps: ``sum_i p_i(c) m_i[h, w]`` (Sec. 3.4).

    Args:
        predictions: factorized predictions.
        size: (H, W) to which the mask logits are upsampled.
        layer: decoder layer.

    Returns:
        (B, K, H, W). Memory grows with K x H x W; :func:`label_map` is for labels alone.
    """
    logits = F.interpolate(predictions.mask_logits(layer), size=size, mode="bilinear", align_corners=False)
    probabilities = class_probabilities(predictions.class_logits[layer])
    with without_autocast(logits):
        return torch.einsum("bqk,bqhw->bkhw", probabilities, logits.sigmoid_())


@torch.compiler.disable
@torch.no_grad()
def label_map(
    predictions: MaskPredictions,
    image: int,
    geometry: OutputGeometry,
    order: str = "scores",
    method: str = "semantic",
    void: int = 255,
    layer: int = -1,
) -> Tensor:
    """Label map of one image, streamed over tiles of rows.

    Args:
        predictions: factorized predictions.
        image: index in the batch.
        geometry: crop and output size.
        order: "scores" or "mask_logits", see the module's head; general inference always takes "mask_logits".
        method: "semantic" marginalizes over the pairs; "general" gives each pixel to one pair (Sec. 3.4).
        void: label of pixels where every query says "no object" (general inference only).
        layer: decoder layer.

    Returns:
        (H', W') int64 labels.
    """
    if order not in ORDERS or method not in METHODS:
        raise UserError(f"order={order!r} (one of {ORDERS}) and method={method!r} (one of {METHODS})")
    logits = predictions.masks_of(image, predictions.mask_embeds[layer, image])
    if method == "semantic":
        weights = class_probabilities(predictions.class_logits[layer, image])
        classes = None
    else:
        confidence, best = at_least_float32(predictions.class_logits[layer, image]).softmax(-1).max(-1)
        kept = best < predictions.num_classes
        if not kept.any():
            return torch.full(geometry.output_size, void, device=logits.device)
        logits, classes, order = logits[kept], best[kept], "mask_logits"
        weights = confidence[kept].diag()
    # A product whose width is a multiple of 16 is up to 1.7 times faster on a CPU. The empty columns score 0, which
    # never beats a sum of probabilities: of equal scores the first wins.
    weights = F.pad(weights, (0, -weights.shape[1] % 16))

    def to_scores(logits: Tensor) -> Tensor:
        return logits.sigmoid_() @ weights

    labels = torch.empty(geometry.output_size, dtype=torch.long, device=logits.device)
    for tile, scores in tiles(logits, geometry, to_scores, order, depth=weights.shape[1]):
        winner = argmax_last(scores)
        labels[tile] = winner if classes is None else classes[winner]
    return labels
