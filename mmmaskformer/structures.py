"""The two things that flow through the house: what the model predicts and what it should have predicted.

Shapes: B images, Q queries, K classes, N segments, L decoder layers, C channels, H W input size, h w = stride-4 size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass
class PixelEmbeddings:
    """Per-pixel embeddings, with the pixel decoder's last convolution not yet applied if it has one.

    That convolution is linear, and so is the dot product with a mask embedding: ``e . (W * x) = (e W) * x``. For a few
    masks, a convolution with as many kernels ``e W`` is cheaper than C embeddings of which few directions are used,
    above all in the backward pass.

    Attributes:
        features: (B, C', h, w), the convolution's input; the embeddings themselves (C' = C) without a convolution.
        weight: (C, C', k, k) of the convolution, k odd, stride 1, padding to the same size; or None.
        bias: (C,), or None.
    """

    features: Tensor
    weight: Tensor | None = None
    bias: Tensor | None = None
    _resized: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False, compare=False)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w)."""
        return tuple(self.features.shape[-2:])

    def dense(self) -> Tensor:
        """The embeddings (B, C, h, w)."""
        return self.features if self.weight is None else self._convolve(self.features, self.weight, self.bias)

    def masks(self, image: int, embeds: Tensor) -> Tensor:
        """Dot products (R, h, w) of one image's pixels with embeddings (R, C), computed in the cheaper order."""
        pixels = self.features[image : image + 1]
        if self.weight is None:
            return torch.einsum("rc,chw->rhw", embeds, pixels[0])
        # torch has no convolution with 0 kernels, but the graph must not end at an image without segments.
        if not 0 < len(embeds) < len(self.weight):
            return torch.einsum("rc,chw->rhw", embeds, self._convolve(pixels, self.weight, self.bias)[0])
        kernels = torch.einsum("rc,cdij->rdij", embeds, self.weight)
        return self._convolve(pixels, kernels, embeds @ self.bias)[0]

    @torch.no_grad()
    def resized(self, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """The embeddings resized bilinearly (``align_corners=False``) to each size (h', w'), without gradients.

        Halving, or dividing by another even number, reads two neighboring pixels per axis in equal parts. The mean of
        a convolution at neighboring places is the convolution of the mean, so only the result's places are convolved.
        Results are kept: attention and the class head read the same ones.

        Returns:
            (B, C, h', w') per size.
        """
        missing = [size for size in dict.fromkeys(sizes) if size not in self._resized]
        exact = [size for size in missing if self.weight is not None and self._step(size)]
        if exact:
            reach = self.weight.shape[-1] // 2
            means = F.avg_pool2d(F.pad(self.features, (reach,) * 4), 2, stride=1)
        for size in missing:
            if size in exact:
                first = self._step(size) // 2 - 1
                places = means[..., first:, first:]
                self._resized[size] = F.conv2d(places, self.weight, self.bias, stride=self._step(size))
            else:
                self._resized[size] = F.interpolate(self.dense(), size=size, mode="bilinear", align_corners=False)
        return [self._resized[size] for size in sizes]

    def _step(self, size: tuple[int, int]) -> int | None:
        """The even number by which both sides are divided, or None."""
        step = self.size[0] // size[0]
        return step if step and step % 2 == 0 and self.size == (size[0] * step, size[1] * step) else None

    def float(self) -> PixelEmbeddings:
        """In fp32."""
        weight, bias = (None if part is None else part.float() for part in (self.weight, self.bias))
        return PixelEmbeddings(self.features.float(), weight, bias)

    @staticmethod
    def _convolve(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(features, weight, bias, padding=weight.shape[-1] // 2)


@dataclass
class PixelFeatures:
    """What a pixel decoder gives (Sec. 3.3, pixel-level module).

    Attributes:
        pixels: per-pixel embeddings at the finest stride.
        memory: (B, C', H/32, W/32), the coarsest map, which the paper's transformer decoder attends to.
        maps: the pixel decoder's own maps below the finest stride, coarsest first (strides 32, 16 and 8 for a backbone
            with four stages); empty for a pixel decoder without them.
    """

    pixels: PixelEmbeddings
    memory: Tensor
    maps: Sequence[Tensor] = ()


@dataclass
class MaskPredictions:
    """N probability-mask pairs with the masks still factorised (Sec. 3.3, segmentation module).

    A mask is a dot product, ``mask[q] = mask_embed[q] . pixel_embed``; the product is made only for the layer and the
    queries that somebody asks for.

    Attributes:
        class_logits: (L, B, Q, K+1); the last class is "no object".
        mask_embeds: (L, B, Q, C).
        pixels: per-pixel embeddings, shared by all layers.
        boxes: (L, B, Q, 4) normalised (cx, cy, w, h) where a model predicts them (Table 5), else None.
    """

    class_logits: Tensor
    mask_embeds: Tensor
    pixels: PixelEmbeddings
    boxes: Tensor | None = None
    pixel_logits: Tensor | None = None

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

    def float(self) -> MaskPredictions:
        """In fp32."""
        boxes = None if self.boxes is None else self.boxes.float()
        pixel_logits = None if self.pixel_logits is None else self.pixel_logits.float()
        return MaskPredictions(
            self.class_logits.float(), self.mask_embeds.float(), self.pixels.float(), boxes, pixel_logits
        )

    def last_layer(self) -> MaskPredictions:
        """What the last decoder layer says (L = 1)."""
        boxes = None if self.boxes is None else self.boxes[-1:]
        return MaskPredictions(self.class_logits[-1:], self.mask_embeds[-1:], self.pixels, boxes, self.pixel_logits)

    def mask_logits(self, layer: int = -1, queries: Tensor | slice = slice(None)) -> Tensor:
        """Mask logits (B, Q', h, w) of one decoder layer, for all queries or the ones asked for."""
        return torch.stack(
            [self.masks_of(image, embeds) for image, embeds in enumerate(self.mask_embeds[layer][:, queries])]
        )

    def masks_of(self, image: int, embeds: Tensor) -> Tensor:
        """Mask logits (R, h, w) of one image for any mask embeddings (R, C) of it."""
        return self.pixels.masks(image, embeds)


@dataclass
class SegmentTargets:
    """The ground-truth segments of a batch (Sec. 3.2): one a class in semantic, one an instance in panoptic training.

    The segments of all images stand behind one another, image by image.

    Attributes:
        labels: (M,) int64, classes 0..K-1, M the segments of the batch.
        masks: (M, H, W) bool, at input size with padding; void pixels belong to no segment.
        counts: segments of each of the B images; known on the host, so nothing has to wait for the device.
    """

    labels: Tensor
    masks: Tensor
    counts: list[int]

    def __post_init__(self) -> None:
        if self.labels.ndim != 1 or self.masks.ndim != 3 or not len(self.labels) == len(self.masks) == sum(self.counts):
            raise ValueError(
                f"SegmentTargets wants labels (M,), masks (M, H, W) and counts that add up to M, got labels "
                f"{tuple(self.labels.shape)}, masks {tuple(self.masks.shape)} and counts {self.counts}"
            )

    def __len__(self) -> int:
        return len(self.labels)

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
            ValueError: a label is neither in 0..K-1 nor the ignore index; names the label and the map.
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
            raise ValueError(
                f"{name}: label {', '.join(map(str, labels))} in the ground truth, expected 0..{num_classes - 1} or "
                f"the ignore index {ignore_index}. Does num_classes={num_classes} fit the data set, and should "
                "reduce_zero_label be set?"
            )
        present = present[:, first_class:num_classes]
        images, labels = (index.to(maps.device) for index in present.nonzero(as_tuple=True))
        labels += first_class
        return cls(labels, maps[images] == labels[:, None, None], present.sum(1).tolist())

    @classmethod
    def from_segments(cls, labels: Sequence[Tensor], masks: Sequence[Tensor]) -> SegmentTargets:
        """From the labels (N,) and masks (N, H, W) of each image, all of one size."""
        return cls(torch.cat(list(labels)).long(), torch.cat(list(masks)).bool(), [len(label) for label in labels])

    def with_more(self, others: SegmentTargets) -> SegmentTargets:
        """Each image's segments followed by ``others``' of the same image: instances of things, then stuff."""
        labels, masks = (
            torch.cat([part for image in zip(ours.split(self.counts), theirs.split(others.counts)) for part in image])
            for ours, theirs in ((self.labels, others.labels), (self.masks, others.masks))
        )
        return SegmentTargets(labels, masks, [ours + theirs for ours, theirs in zip(self.counts, others.counts)])

    def pad(self, values: Tensor) -> Tensor:
        """(M, ...) values of the segments as (B, N, ...), N the most segments an image, padded with 0."""
        most = max(self.counts)
        place = torch.cat([torch.arange(count) + image * most for image, count in enumerate(self.counts)])
        padded = values.new_zeros(len(self.counts) * most, *values.shape[1:])
        padded[place.to(values.device)] = values
        return padded.unflatten(0, (len(self.counts), most))

    def label_maps(self, size: tuple[int, int], void: int) -> Tensor:
        """(B, h, w) int64, the nearest pixel's label at ``size`` (h, w); ``void`` outside of every segment."""
        rows = nearest_index(self.masks.shape[-2], size[0], self.masks.device)[:, None]
        small = self.masks[:, rows, nearest_index(self.masks.shape[-1], size[1], self.masks.device)]
        maps = self.labels.new_full((len(self.counts), *size), void)
        for image, (masks, labels) in enumerate(zip(small.split(self.counts), self.labels.split(self.counts))):
            if len(labels):
                inside, first = masks.max(0)
                maps[image] = torch.where(inside, labels[first], void)
        return maps

    def padded(self, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Labels (B, N) and masks (B, N, h*w) float at ``size`` (h, w), N the most segments an image, padded with 0.

        Masks are downsampled to the nearest pixel, as the reference release's matcher does.
        """
        small = self.masks[
            :,
            nearest_index(self.masks.shape[-2], size[0], self.masks.device)[:, None],
            nearest_index(self.masks.shape[-1], size[1], self.masks.device),
        ]
        return self.pad(self.labels), self.pad(small.flatten(1).float())


def padding_mask(sizes: Sequence[tuple[int, int]], size: tuple[int, int], device: torch.device) -> Tensor:
    """(B, H, W) bool, True where a padded batch of ``size`` is not image; images of ``sizes`` lie top left."""
    mask = torch.ones(len(sizes), *size, dtype=torch.bool, device=device)
    for index, (height, width) in enumerate(sizes):
        mask[index, :height, :width] = False
    return mask


def nearest_index(size: int, new_size: int, device: torch.device) -> Tensor:
    """Source indices of nearest-neighbour resampling as ``F.interpolate`` does it: ``floor(i * size / new_size)``."""
    return torch.arange(new_size, device=device) * size // new_size
