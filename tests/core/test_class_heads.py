"""Class heads: from the query alone, and with the pixels under its mask."""

import torch
import torch.nn.functional as F

from mmmaskformer.core import LinearClassHead, PooledClassHead
from mmmaskformer.core.class_heads import pooled_features
from mmmaskformer.pixels import PixelEmbeddings

LAYERS, BATCH, QUERIES, WIDTH, CLASSES = 2, 3, 4, 8, 5


def inputs(size: tuple[int, int] = (12, 16)) -> tuple[torch.Tensor, torch.Tensor, PixelEmbeddings]:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    pixels = PixelEmbeddings(random(BATCH, 6, *size), random(WIDTH, 6, 3, 3), random(WIDTH))
    return random(LAYERS, BATCH, QUERIES, WIDTH), random(LAYERS, BATCH, QUERIES, WIDTH), pixels


def test_the_papers_head_reads_the_query_alone() -> None:
    segments, embeds, pixels = inputs()
    head = LinearClassHead(WIDTH, CLASSES).double()
    torch.testing.assert_close(head(segments, embeds, pixels), F.linear(segments, head.weight, head.bias))


def test_the_mean_is_weighted_by_the_masks_probabilities_at_half_resolution() -> None:
    _, embeds, pixels = inputs()
    masks = torch.einsum("lbqc,bchw->lbqhw", embeds, pixels.dense()).flatten(0, 1)
    weights = F.interpolate(masks, size=(6, 8), mode="bilinear", align_corners=False).sigmoid()
    weights = weights.unflatten(0, (LAYERS, BATCH))
    features = F.avg_pool2d(pixels.features, 2)
    expected = torch.einsum("lbqhw,bchw->lbqc", weights, features) / weights.sum((-2, -1))[..., None]
    torch.testing.assert_close(pooled_features(embeds, pixels), expected)


def test_an_odd_map_counts_each_pixel_of_its_border_once() -> None:
    _, embeds, pixels = inputs(size=(5, 7))
    uniform = PixelEmbeddings(torch.ones_like(pixels.features), pixels.weight, pixels.bias)
    torch.testing.assert_close(pooled_features(embeds, uniform), torch.ones(LAYERS, BATCH, QUERIES, 6).double())


def test_gradients_reach_the_features_but_not_the_masks() -> None:
    _, embeds, pixels = inputs()
    loss = pooled_features(embeds, pixels).square().sum()
    gradient, *others = torch.autograd.grad(
        loss, [pixels.features, embeds, pixels.weight, pixels.bias], allow_unused=True
    )
    assert gradient.abs().sum() > 0
    assert others == [None] * 3


def test_a_query_is_classified_by_what_lies_under_its_mask() -> None:
    """Two queries with the same embedding and masks on either half get the logits of their halves."""
    features = torch.zeros(1, 3, 4, 8)
    features[:, 0, :, :4] = features[:, 1, :, 4:] = 1
    features[:, 2] = 1
    pixels = PixelEmbeddings(features)
    embeds = torch.tensor([[50.0, -50.0, 0.0], [-50.0, 50.0, 0.0]])[None, None]
    head = PooledClassHead(3, num_classes=2, pixel_channels=3)
    torch.nn.init.eye_(head.pool.weight)
    torch.nn.init.zeros_(head.pool.bias)
    logits = head(torch.zeros(1, 1, 2, 3), embeds, pixels)[0, 0]
    expected = F.linear(torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), head.weight, head.bias)
    torch.testing.assert_close(logits, expected)


def test_parameters_of_the_papers_head_keep_their_names() -> None:
    assert list(LinearClassHead(WIDTH, CLASSES).state_dict()) == ["weight", "bias"]
    assert list(PooledClassHead(WIDTH, CLASSES, 6).state_dict()) == ["weight", "bias", "pool.weight", "pool.bias"]
