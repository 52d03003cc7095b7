"""The FPN pixel decoder."""

import pytest
import torch

from mmmaskformer.core import FPNPixelDecoder


def test_embeddings_have_the_finest_size_and_memory_is_the_coarsest_stage():
    features = [torch.randn(2, c, *size) for c, size in ((4, (17, 23)), (8, (9, 12)), (16, (5, 6)))]
    embeds, memory = FPNPixelDecoder([4, 8, 16], channels=8, mask_dim=6, norm_groups=4)(features)
    assert embeds.dense().shape == (2, 6, 17, 23)
    assert memory is features[-1]


def test_gradients_equal_those_of_the_sum_written_without_in_place_work():
    torch.manual_seed(0)
    decoder = FPNPixelDecoder([4, 8], channels=8, mask_dim=6, norm_groups=4)
    fine, coarse = torch.randn(1, 4, 8, 8, requires_grad=True), torch.randn(1, 8, 4, 4, requires_grad=True)
    top = decoder.output_convs[1](coarse)
    fused = decoder.lateral_convs[0](fine) + torch.nn.functional.interpolate(top, size=(8, 8), mode="nearest")
    expected = decoder.mask_features(decoder.output_convs[0](fused))
    actual = decoder([fine, coarse])[0].dense()
    torch.testing.assert_close(actual, expected)
    for ours, theirs in zip(*(torch.autograd.grad(x.square().sum(), [fine, coarse]) for x in (actual, expected))):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(in_channels=[4, 8], channels=8, norm_groups=3), "norm_groups=3 must divide channels=8"),
        (dict(in_channels=[4, -8], channels=8, norm_groups=4), r"in_channels=\[4, -8\]"),
        (dict(in_channels=[], channels=8, norm_groups=4), r"in_channels=\[\]"),
    ],
)
def test_sizes_that_cannot_be_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        FPNPixelDecoder(**arguments)
