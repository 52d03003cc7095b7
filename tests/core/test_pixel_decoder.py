"""The FPN pixel decoder, without and with a transformer encoder."""

import pytest
import torch

from mmmaskformer.core import FPNPixelDecoder, PositionedPixelDecoder, TransformerEncoderPixelDecoder
from mmmaskformer.core.pixel_decoder import waves


def test_embeddings_have_the_finest_size_and_memory_is_the_coarsest_stage():
    features = [torch.randn(2, c, *size) for c, size in ((4, (17, 23)), (8, (9, 12)), (16, (5, 6)))]
    found = FPNPixelDecoder([4, 8, 16], channels=8, mask_dim=6, norm_groups=4)(features)
    assert found.pixels.dense().shape == (2, 6, 17, 23)
    assert found.memory is features[-1]
    assert [tuple(scale.shape) for scale in found.maps] == [(2, 8, 5, 6), (2, 8, 9, 12)]


def test_gradients_equal_those_of_the_sum_written_without_in_place_work():
    torch.manual_seed(0)
    decoder = FPNPixelDecoder([4, 8], channels=8, mask_dim=6, norm_groups=4)
    fine, coarse = torch.randn(1, 4, 8, 8, requires_grad=True), torch.randn(1, 8, 4, 4, requires_grad=True)
    top = decoder.output_convs[1](coarse)
    fused = decoder.lateral_convs[0](fine) + torch.nn.functional.interpolate(top, size=(8, 8), mode="nearest")
    expected = decoder.mask_features(decoder.output_convs[0](fused))
    actual = decoder([fine, coarse]).pixels.dense()
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


def test_pixels_that_look_the_same_differ_by_their_places():
    torch.manual_seed(0)
    # Equal everywhere, and far enough from the borders that no convolution sees its padding.
    features = [torch.ones(1, channels, size, size) for channels, size in ((4, 32), (8, 16))]
    spread = {}
    for kind in (FPNPixelDecoder, PositionedPixelDecoder):
        decoder = kind([4, 8], channels=8, mask_dim=6, norm_groups=4)
        decoder.init_weights()
        found = decoder(features)
        inner = found.pixels.dense()[..., 8:-8, 8:-8]
        spread[kind] = (inner - inner[..., :1, :1]).abs().max().item()
        assert [tuple(scale.shape) for scale in found.maps] == [(1, 8, 16, 16)]
    assert spread[FPNPixelDecoder] < 1e-4
    assert spread[PositionedPixelDecoder] > 0.1


def test_places_are_the_same_in_maps_of_all_strides_and_batches():
    cycles = [0.25, 1.0, 2.0]
    large, small = (waves(torch.zeros(3, 5, *size), cycles) for size in ((9, 15), (3, 5)))
    assert small.shape == (1, 12, 3, 5)
    # The middle of every third pixel is the middle of the small map's pixel.
    torch.testing.assert_close(large[..., 1::3, 1::3], small)
    half = torch.pi * torch.tensor(cycles)
    torch.testing.assert_close(small[0, :3, 1, 0], half.sin())
    torch.testing.assert_close(small[0, -3:, 0, 2], half.cos())


@pytest.mark.parametrize("cycles", [[1.0], [2.0, 1.0], [1.0, 1.0], [0.0, 1.0], []])
def test_waves_that_cannot_be_are_refused(cycles):
    with pytest.raises(ValueError, match=r"cycles=\["):
        PositionedPixelDecoder([4, 8], channels=8, mask_dim=6, norm_groups=4, cycles=cycles)


def encoder_decoder(**changes) -> TransformerEncoderPixelDecoder:
    torch.manual_seed(0)
    encoder = dict(num_layers=2, num_heads=2, feedforward_channels=16, dropout=0.0)
    return TransformerEncoderPixelDecoder([4, 16], channels=8, mask_dim=6, norm_groups=4, encoder=encoder, **changes)


def test_the_encoders_output_is_the_memory_and_starts_the_top_down_path():
    decoder = encoder_decoder()
    fine, coarse = torch.randn(2, 4, 8, 8), torch.randn(2, 16, 4, 4)
    found = decoder([fine, coarse])
    memory = found.memory
    projected = decoder.input_proj(coarse)
    torch.testing.assert_close(memory, decoder.encoder(projected, decoder.positional_encoding(projected)))
    torch.testing.assert_close(found.pixels.dense(), decoder.fuse([fine], memory, memory).pixels.dense())
    assert (decoder.memory_channels, memory.shape) == (8, (2, 8, 4, 4))


def test_padding_is_hidden_from_the_encoder():
    decoder = encoder_decoder()
    fine, coarse = torch.randn(1, 4, 8, 8), torch.randn(1, 16, 4, 4)
    padding = torch.zeros(1, 4, 4, dtype=torch.bool)
    padding[:, :, 3] = True
    other = coarse.clone()
    other[..., 3] += 5
    first, second = (decoder([fine, stage], padding).memory[..., :3] for stage in (coarse, other))
    torch.testing.assert_close(first, second)
    assert (decoder([fine, coarse]).memory - decoder([fine, other]).memory)[..., :3].abs().max() > 1e-3
