"""Mask-piloted training (Zhang et al., "MP-Former", CVPR 2023): extra queries that are given their segments.

A decoder with masked attention has to learn two things at once: which pixels a query should look at, and what mask to
make of these pixels. A pilot is given the first by the ground truth, so the decoder learns the second from the first
iterations on. Pilots exist in training alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmengine import dist
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmmaskformer.errors import UserError
from mmmaskformer.registry import MODELS
from mmmaskformer.structures import SegmentTargets, pad_rows


@dataclass(frozen=True)
class Pilots:
    """The extra queries of a batch.

    Attributes:
        queries: (B, P, C), what the decoder's layers start from; P is the largest number of segments per image on
            any rank.
        positions: (B, P, C).
        background: (B, P, hw) bool per scale, True outside a pilot's segment; all True for a pilot without one.
        matching: (M,) which of its image's pilots belongs to each of the batch's M segments.
    """

    queries: Tensor
    positions: Tensor
    background: Sequence[Tensor]
    matching: Tensor

    def complete(
        self, background: Callable[[Tensor, int], Tensor], num_queries: int
    ) -> Callable[[Tensor, int], Tensor]:
        """Return a function like ``background`` for ordinary queries and the pilots behind them."""
        return lambda segments, scale: torch.cat(
            [background(segments[:, :num_queries], scale), self.background[scale]], dim=1
        )

    def unseen(self, num_queries: int) -> Tensor:
        """(Q + P, Q + P) bool: ordinary queries do not see pilots, which would tell them the answer."""
        total = num_queries + self.queries.shape[1]
        pilots = torch.arange(total, device=self.queries.device) >= num_queries
        return pilots & ~pilots[:, None]


@MODELS.register_module()
class MaskPilots(BaseModule):
    """Makes one extra query per ground-truth segment, from its class and its mask.

    The query starts from an embedding of the class, which is sometimes a wrong one, and sees the segment's pixels in
    every layer.

    Args:
        num_classes: K.
        channels: C.
        label_noise: how often the class is replaced by a random one, so that it has to be checked against the pixels.
    """

    def __init__(self, num_classes: int, channels: int, label_noise: float = 0.2) -> None:
        super().__init__()
        if not 0 <= label_noise <= 1:
            raise UserError(f"MaskPilots: label_noise={label_noise}, expected 0..1")
        self.num_classes = num_classes
        self.label_noise = label_noise
        self.label_embed = nn.Embedding(num_classes + 1, channels)
        self.position = nn.Embedding(1, channels)

    def forward(self, targets: SegmentTargets, sizes: Sequence[tuple[int, int]]) -> Pilots:
        """Pilots for the segments of a batch, for a decoder that reads maps of ``sizes`` (h, w)."""
        most = most_over_ranks(max(targets.counts), targets.labels.device)
        replaced = torch.rand(len(targets), device=targets.labels.device) < self.label_noise
        labels = torch.where(replaced, torch.randint_like(targets.labels, self.num_classes), targets.labels)
        # Rows are padded with 0, which stands for "no object" here.
        queries = self.label_embed(self.num_classes - pad_rows(self.num_classes - labels, targets.counts, most))
        masks = targets.masks[:, None].to(queries.dtype)
        # A pixel of a small map belongs to a segment if any pixel below it does: thin segments stay visible.
        seen = [F.adaptive_max_pool2d(masks, size).flatten(1) > 0 for size in sizes]
        background = [~pad_rows(pixels, targets.counts, most) for pixels in seen]
        positions = self.position.weight.expand_as(queries)
        matching = torch.cat([torch.arange(count) for count in targets.counts])
        return Pilots(queries, positions, background, matching)


def most_over_ranks(count: int, device: torch.device) -> int:
    """Return the largest of the ranks' counts, at least 1.

    Ranks have to use the same parameters, and as many pilots without a segment as one process would for all images.
    """
    if dist.get_world_size() == 1:
        return max(count, 1)  # known on the host: nothing has to wait for the device
    most = torch.tensor(max(count, 1), device=device)
    dist.all_reduce(most, op="max")
    return int(most)
