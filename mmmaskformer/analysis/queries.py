"""What queries stand for: the classes that each predicts over a data set (the paper's figure of unique categories)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from mmengine.model import BaseModel
from numpy import ndarray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmmaskformer.batches import recorded_input_size
from mmmaskformer.errors import UserError
from mmmaskformer.structures import MaskPredictions


@dataclass
class QueryStatistics:
    """Which class each query predicted, image by image; "fires" means that its likeliest class is not "no object".

    Attributes:
        num_classes: K.
        labels: one (Q,) int64 array an image: the query's class, or -1 where it did not fire.
        scores: one (Q,) float32 array an image: the probability of the likeliest class.
    """

    num_classes: int
    labels: list[ndarray] = field(default_factory=list)
    scores: list[ndarray] = field(default_factory=list)

    def add(self, predictions: MaskPredictions) -> None:
        """Take in the last decoder layer's predictions of a batch."""
        scores, labels = predictions.class_logits[-1].float().softmax(-1).max(-1)
        labels = torch.where(labels < self.num_classes, labels, -1)
        self.labels += list(labels.cpu().numpy())
        self.scores += list(scores.cpu().numpy())

    @property
    def counts(self) -> ndarray:
        """(Q, K) in how many images each query fired for each class."""
        labels = np.stack(self.labels)
        counts = np.zeros((labels.shape[1], self.num_classes), np.int64)
        image, query = np.nonzero(labels >= 0)
        np.add.at(counts, (query, labels[image, query]), 1)
        return counts

    @property
    def unique_classes(self) -> ndarray:
        """(Q,) how many different classes each query fired for."""
        return (self.counts > 0).sum(1)

    @property
    def fired(self) -> ndarray:
        """(Q,) in how many images each query fired."""
        return self.counts.sum(1)

    def best_images(self, query: int, most: int) -> list[int]:
        """Return the indices of the images in which a query fired, one per class first, by its score."""
        fired = [(self.scores[i][query], i) for i, labels in enumerate(self.labels) if labels[query] >= 0]
        seen: set[int] = set()
        first, rest = [], []
        for _, image in sorted(fired, reverse=True):
            label = int(self.labels[image][query])
            (rest if label in seen else first).append(image)
            seen.add(label)
        return (first + rest)[:most]


@torch.no_grad()
def query_statistics(model: BaseModel, batches: DataLoader) -> QueryStatistics:
    """Run a model over a data set and keep what its queries say.

    Args:
        model: with a mask-classification head of ours.
        batches: of the test pipeline; one pass.

    Raises:
        UserError: the model has no queries.
    """
    statistics = QueryStatistics(mask_head(model).num_classes)
    with predictions_of(model, statistics.add):
        for batch in batches:
            model.test_step(batch)
    return statistics


@contextmanager
def predictions_of(model: nn.Module, receive: Callable[[MaskPredictions], object]) -> Iterator[None]:
    """Hands every prediction that the model's head makes inside the block to ``receive``."""
    hook = mask_head(model).register_forward_hook(lambda module, inputs, output: receive(output))
    try:
        yield
    finally:
        hook.remove()


def mask_head(model: nn.Module) -> nn.Module:
    """Return the head whose forward pass gives :class:`MaskPredictions`.

    Raises:
        UserError: there is none.
    """
    head = getattr(model, "decode_head", None) or getattr(model, "panoptic_head", None)
    if not hasattr(head, "class_embed"):
        raise UserError(
            f"{type(head or model).__name__} has no queries that predict a class: this tool needs a config with "
            "mmmaskformer.MaskFormerHead or mmmaskformer.MaskFormerPanopticHead"
        )
    return head


@torch.no_grad()
def query_mask(model: BaseModel, batch: dict, query: int, size: tuple[int, int]) -> Tensor:
    """(H, W) mask probabilities of one query in one image, without padding and resized to ``size``.

    Args:
        model: with a mask-classification head of ours.
        batch: of one image.
        query: which.
        size: (H, W) of the result.
    """
    found: list[MaskPredictions] = []
    with predictions_of(model, found.append):
        (sample,) = model.test_step(batch)
    logits = found[0].masks_of(0, found[0].mask_embeds[-1, 0, query : query + 1])[None].float()
    meta = sample.metainfo
    height, width = meta["img_shape"][:2]
    # mmseg's data preprocessor records a size only where it pads.
    padded = recorded_input_size([meta]) or meta.get("pad_shape") or (height, width)
    logits = resize(logits, padded)[..., :height, :width]
    return resize(logits, size)[0, 0].sigmoid()


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """(1, 1, H, W) resized bilinearly."""
    return nn.functional.interpolate(x, size=tuple(size[:2]), mode="bilinear", align_corners=False)
