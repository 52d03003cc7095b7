"""The two things that flow through the house: what the model predicts and what it should have predicted.

Shapes: B images, Q queries, K classes, N segments, L decoder layers, C channels, H W input size, h w = stride-4 size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from mmmaskformer.errors import UserError

from .pixels import PixelEmbeddings
from .precision import at_least_float32, without_autocast


@dataclass
class MaskPredictions:
    """N probability-mask pairs with the masks still factorized (Sec. 3.3, segmentation module).

    A mask is a dot product, ``mask[q] = mask_embed[q] . pixel_embed``; the product is made only for the layer and the
    queries that are asked for.

    Attributes:
        class_logits: (L, B, Q, K+1); the last class is "no object".
        mask_embeds: (L, B, Q, C).
        pixels: per-pixel embeddings, shared by all layers.
        boxes: (L, B, Q, 4) normalized (cx, cy, w, h) where a model predicts them (Table 5), else None.
        pilots: what mask-piloted training predicts beside it, else None.
    """

    class_logits: Tensor
    mask_embeds: Tensor
    pixels: PixelEmbeddings
    boxes: Tensor | None = None
    pilots: PilotPredictions | None = None

    @classmethod
    def from_embeddings(cls, class_logits: Tensor, mask_embeds: Tensor, pixel_embeds: Tensor) -> MaskPredictions:
        """From embeddings (B, C, h, w) without a convolution that is not yet applied."""
        return cls(class_logits, mask_embeds, PixelEmbeddings(pixel_embeds))

    @property
    def num_layers(self) -> int:
        return self.mask_embeds.shape[0]

    @property
    def num_queries(self) -> int:
        return self.mask_embeds.shape[2]

    @property
    def num_classes(self) -> int:
        """K, without "no object"."""
        return self.class_logits.shape[-1] - 1

    @property
    def mask_size(self) -> tuple[int, int]:
        """(h, w)."""
        return self.pixels.size

    @property
    def pixel_embeds(self) -> Tensor:
        """Per-pixel embeddings (B, C, h, w); computed at each call if the last convolution is not yet applied."""
        return self.pixels.dense()

    def at_least_float32(self) -> MaskPredictions:
        """In fp32 where they are in half or bfloat16."""
        return MaskPredictions(
            at_least_float32(self.class_logits),
            at_least_float32(self.mask_embeds),
            self.pixels.at_least_float32(),
            None if self.boxes is None else at_least_float32(self.boxes),
        )

    def split_pilots(self, num_queries: int, matching: Tensor) -> MaskPredictions:
        """Split predictions of queries and of the pilots behind them.

        Before the first layer a pilot knows nothing but its class, so that what it predicts there is left out.

        Args:
            num_queries: Q, how many are ordinary queries.
            matching: (M,) which of its image's pilots belongs to each of the batch's M segments.
        """

        def part(layers: slice, queries: slice) -> MaskPredictions:
            boxes = None if self.boxes is None else self.boxes[layers, :, queries]
            logits, embeds = (values[layers, :, queries] for values in (self.class_logits, self.mask_embeds))
            return MaskPredictions(logits, embeds, self.pixels, boxes)

        own = part(slice(None), slice(num_queries))
        own.pilots = PilotPredictions(part(slice(1, None), slice(num_queries, None)), matching)
        return own

    def last_layer(self) -> MaskPredictions:
        """Return what the last decoder layer says (L = 1)."""
        boxes = None if self.boxes is None else self.boxes[-1:]
        return MaskPredictions(self.class_logits[-1:], self.mask_embeds[-1:], self.pixels, boxes)

    def mask_logits(self, layer: int = -1, queries: Tensor | slice = slice(None)) -> Tensor:
        """Mask logits (B, Q', h, w) of one decoder layer, for all queries or the ones asked for."""
        return torch.stack(
            [self.masks_of(image, embeds) for image, embeds in enumerate(self.mask_embeds[layer][:, queries])]
        )

    def masks_of(self, image: int, embeds: Tensor) -> Tensor:
        """Mask logits (R, h, w) of one image for any mask embeddings (R, C) of it.

        In fp32 under autocast and for a model in half or bfloat16, too: the products leave float16's range.
        """
        embeds = at_least_float32(embeds)
        with without_autocast(embeds):
            return self.pixels.masks(image, embeds)


@dataclass
class PilotPredictions:
    """What pilots predict: queries of mask-piloted training, each of which is given its segment.

    Attributes:
        predictions: of the pilots alone.
        matching: (M,) which of its image's pilots belongs to each of the batch's M segments.
    """

    predictions: MaskPredictions
    matching: Tensor

    def match(self, predictions: MaskPredictions, targets: SegmentTargets) -> Tensor:
        """As an assigner: the pilot (L, M) of each segment."""
        return self.matching.expand(predictions.num_layers, -1)


@dataclass
class SegmentTargets:
    """The ground-truth segments of a batch (Sec. 3.2): one per class (semantic) or per instance (panoptic).

    The segments of all images stand behind one another, image by image.

    Attributes:
        labels: (M,) int64, classes 0..K-1, M the segments of the batch.
        masks: (M, H, W) bool, at input size with padding; void pixels belong to no segment.
        counts: segments of each of the B images; known on the host, so nothing has to wait for the device.
        names: what each image is called in a warning or an error, for instance its file; None where that is not known.
    """

    labels: Tensor
    masks: Tensor
    counts: list[int]
    names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.labels.ndim != 1 or self.masks.ndim != 3 or not len(self.labels) == len(self.masks) == sum(self.counts):
            raise ValueError(
                f"SegmentTargets wants labels (M,), masks (M, H, W) and counts that add up to M, got labels "
                f"{tuple(self.labels.shape)}, masks {tuple(self.masks.shape)} and counts {self.counts}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, image: int) -> str:
        """Return what an image of the batch is called in a warning or an error."""
        return self.names[image] if self.names else f"image {image} of the batch"

    @classmethod
    def from_semantic_maps(
        cls,
        maps: Tensor,
        num_classes: int,
        ignore_index: int,
        names: Sequence[str] | None = None,
        first_class: int = 0,
    ) -> SegmentTargets:
        """Each class present in a label map is one segment, in rising order of class.

        Args:
            maps: (B, H, W) integer labels.
            num_classes: K.
            ignore_index: label of void pixels.
            names: what each map is called in an error, for instance its file.
            first_class: classes below it are no segments, for instance things whose instances come from elsewhere.

        Raises:
            UserError: a label is neither in 0..K-1 nor the ignore index; names the label and the map.
        """
        maps = maps.long()
        void = maps == ignore_index
        wrong = ((maps < 0) | (maps >= num_classes)) & ~void
        slots = torch.where(void, num_classes, maps).masked_fill_(wrong, num_classes + 1).flatten(1)
        present = torch.zeros(len(maps), num_classes + 2, dtype=torch.bool, device=maps.device)
        # The host has to know how many segments there are: the one place of a training step, beside the matching,
        # that waits for the device.
        present = present.scatter_(1, slots, True).cpu()
        if present[:, -1].any():
            image = int(present[:, -1].nonzero()[0])
            name = names[image] if names else f"label map {image} of the batch"
            labels = maps[image][wrong[image]].unique().tolist()
            raise UserError(
                f"{name}: label {', '.join(map(str, labels))} in the ground truth, expected 0..{num_classes - 1} or "
                f"the ignore index {ignore_index}. Does num_classes={num_classes} fit the data set, and should "
                "reduce_zero_label be set?"
            )
        present = present[:, first_class:num_classes]
        images, labels = (index.to(maps.device) for index in present.nonzero(as_tuple=True))
        labels += first_class
        return cls(labels, maps[images] == labels[:, None, None], present.sum(1).tolist(), names)

    @classmethod
    def from_segments(
        cls, labels: Sequence[Tensor], masks: Sequence[Tensor], names: Sequence[str] | None = None
    ) -> SegmentTargets:
        """From the labels (N,) and masks (N, H, W) of each image, all of one size, and the images' names."""
        counts = [len(label) for label in labels]
        return cls(torch.cat(list(labels)).long(), torch.cat(list(masks)).bool(), counts, names)

    def with_more(self, others: SegmentTargets) -> SegmentTargets:
        """Each image's segments followed by ``others``' of the same image: instances of things, then stuff."""
        labels, masks = (
            torch.cat([part for image in zip(ours.split(self.counts), theirs.split(others.counts)) for part in image])
            for ours, theirs in ((self.labels, others.labels), (self.masks, others.masks))
        )
        counts = [ours + theirs for ours, theirs in zip(self.counts, others.counts)]
        return SegmentTargets(labels, masks, counts, self.names or others.names)

    def pad(self, values: Tensor) -> Tensor:
        """(M, ...) values of the segments as (B, N, ...), N the most segments per image, padded with 0."""
        return pad_rows(values, self.counts)

    def padded_masks(
        self, size: tuple[int, int], most: int, dtype: torch.dtype
    ) -> Iterator[tuple[list[int], slice, Tensor]]:
        """Masks at ``size`` (h, w), at most ``most`` segments per image at a time.

        Masks are downsampled to the nearest pixel, as the reference release's matcher does.

        Yields:
            the b images that have segments in this part; which of each image's segments it is; and their masks
            (b, n, h*w), padded with 0 for an image that has fewer than n of them.
        """
        rows = nearest_index(self.masks.shape[-2], size[0], self.masks.device)[:, None]
        columns = nearest_index(self.masks.shape[-1], size[1], self.masks.device)
        offsets = [0, *accumulate(self.counts)]
        for start in range(0, max(self.counts), most):
            images = [image for image, count in enumerate(self.counts) if count > start]
            counts = [min(self.counts[image] - start, most) for image in images]
            firsts = [offsets[image] + start for image in images]
            index = torch.cat([torch.arange(first, first + count) for first, count in zip(firsts, counts)])
            small = self.masks[index.to(self.masks.device)[:, None, None], rows, columns].flatten(1)
            yield images, slice(start, start + max(counts)), pad_rows(small.to(dtype), counts)


def pad_rows(values: Tensor, counts: Sequence[int], most: int | None = None) -> Tensor:
    """(sum of counts, ...) as (B, most, ...): the rows of each of B images, padded with 0; by default to the most."""
    most = max(counts) if most is None else most
    place = torch.cat([torch.arange(count) + image * most for image, count in enumerate(counts)])
    padded = values.new_zeros(len(counts) * most, *values.shape[1:])
    padded[place.to(values.device)] = values
    return padded.unflatten(0, (len(counts), most))


def padding_mask(sizes: Sequence[tuple[int, int]], size: tuple[int, int], device: torch.device) -> Tensor:
    """(B, H, W) bool, True where a padded batch of ``size`` is not image; images of ``sizes`` lie top left."""
    mask = torch.ones(len(sizes), *size, dtype=torch.bool, device=device)
    for index, (height, width) in enumerate(sizes):
        mask[index, :height, :width] = False
    return mask


def nearest_index(size: int, new_size: int, device: torch.device) -> Tensor:
    """Source indices of nearest-neighbor resampling as ``F.interpolate`` does it: ``floor(i * size / new_size)``."""
    return torch.arange(new_size, device=device) * size // new_size
