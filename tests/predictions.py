"""Random predictions and segments for the core's tests."""

import torch

from mmmaskformer.structures import MaskPredictions, SegmentTargets

CLASSES, QUERIES, LAYERS, CHANNELS = 6, 10, 3, 8


def predictions(batch: int = 2, size: tuple[int, int] = (8, 12), queries: int = QUERIES, classes: int = CLASSES):
    """Leaves with gradients, of a scale at which masks are neither flat nor saturated."""
    generator = torch.Generator().manual_seed(0)
    return MaskPredictions.from_embeddings(
        *(
            torch.randn(*shape, generator=generator).requires_grad_()
            for shape in (
                (LAYERS, batch, queries, classes + 1),
                (LAYERS, batch, queries, CHANNELS),
                (batch, CHANNELS, *size),
            )
        )
    )


def leaves(of: MaskPredictions) -> list[torch.Tensor]:
    return [of.class_logits, of.mask_embeds, of.pixel_embeds]


def targets(batch: int = 2, size: tuple[int, int] = (32, 48), classes: int = CLASSES) -> SegmentTargets:
    """Semantic segments of label maps in blocks of 8 pixels, with void."""
    generator = torch.Generator().manual_seed(1)
    blocks = torch.randint(0, classes + 1, (batch, size[0] // 8, size[1] // 8), generator=generator)
    maps = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return SegmentTargets.from_semantic_maps(maps, classes, ignore_index=classes)
