"""Per-pixel embeddings before and after the pixel decoder's last convolution."""

import pytest
import torch

from mmmaskformer.pixels import PixelEmbeddings


@pytest.mark.parametrize("rows", [3, 5, 9])
def test_masks_and_gradients_are_the_same_before_and_after_the_last_convolution(rows):
    features, weight, bias = torch.randn(2, 4, 6, 7), torch.randn(5, 4, 3, 3), torch.randn(5)
    embeds = torch.randn(rows, 5)
    leaves = [x.double().requires_grad_() for x in (features, weight, bias, embeds)]
    pixels = PixelEmbeddings(*leaves[:3])
    folded = pixels.masks(1, leaves[3])
    dense = torch.einsum("rc,chw->rhw", leaves[3], pixels.dense()[1])
    torch.testing.assert_close(folded, dense)
    for ours, theirs in zip(*(torch.autograd.grad(masks.square().sum(), leaves) for masks in (folded, dense))):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [(8, 12), (4, 6), (2, 3), (5, 7), (16, 24)])
def test_embeddings_resized_before_the_last_convolution_are_those_resized_after_it(kernel, size):
    generator = torch.Generator().manual_seed(2)
    shapes = ((2, 4, 16, 24), (5, 4, kernel, kernel), (5,))
    pixels = PixelEmbeddings(*(torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes))
    expected = torch.nn.functional.interpolate(pixels.dense(), size=size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(pixels.resized([size])[0], expected, rtol=1e-12, atol=1e-12)


def test_the_masks_of_a_batch_are_those_of_each_image_also_of_one_without_segments():
    pixels = PixelEmbeddings(torch.randn(3, 4, 6, 7), torch.randn(5, 4, 3, 3), torch.randn(5))
    embeds = [torch.randn(rows, 5) for rows in (2, 0, 6)]
    expected = torch.cat([pixels.masks(image, part) for image, part in enumerate(embeds)])
    torch.testing.assert_close(pixels.masks_of_each(embeds), expected)
