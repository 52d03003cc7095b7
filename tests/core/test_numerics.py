"""Arithmetic that costs, losses and inference share."""

import pytest
import torch
import torch.nn.functional as F

from mmmaskformer.core.numerics import (
    BilinearAdjoint,
    bilinear_taps,
    binary_cross_entropy_terms,
    linear_of_pixels,
    power,
)


def test_entropy_terms_equal_torchs_in_double_precision_over_the_whole_range():
    logits = torch.cat([torch.linspace(-90, 90, 2001), torch.tensor([0.0, -1e4, 1e4])])
    probability, entropy = binary_cross_entropy_terms(logits)
    torch.testing.assert_close(probability.double(), logits.double().sigmoid(), atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(entropy.double(), F.softplus(logits.double()), atol=1.2e-7, rtol=1e-6)


@pytest.mark.parametrize(
    ("size", "new_size"),
    [((16, 24), (64, 96)), ((7, 9), (29, 35)), ((1, 1), (4, 4)), ((5, 5), (64, 64)), ((12, 10), (32, 9))],
)
def test_adjoint_is_the_gradient_of_interpolation(size, new_size):
    small = torch.randn(3, *size, requires_grad=True)
    slope = torch.randn(3, *new_size)
    F.interpolate(small[None], size=new_size, mode="bilinear", align_corners=False).backward(slope[None])
    ours = BilinearAdjoint(size, new_size, slope.device)(slope)
    torch.testing.assert_close(ours, small.grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("size", "new_size"), [(5, 20), (20, 5), (7, 7), (1, 3), (100, 33)])
def test_taps_reproduce_interpolation_of_one_axis(size, new_size):
    values = torch.rand(size, dtype=torch.float64)
    lower, upper, fraction = bilinear_taps(size, new_size)
    expected = F.interpolate(values[None, None], size=new_size, mode="linear", align_corners=False)[0, 0]
    torch.testing.assert_close(values[lower] * (1 - fraction) + values[upper] * fraction, expected)


@pytest.mark.parametrize("exponent", [2, 2.0, 1.5, 0])
def test_power_is_torchs_power(exponent):
    values = torch.rand(10)
    torch.testing.assert_close(power(values, exponent), values**exponent)


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_linear_layer_of_pixels_is_torchs_and_lies_in_memory_as_attention_reads_it(batch, channels_last):
    maps = torch.randn(batch, 8, 3, 5)
    if channels_last:
        maps = maps.contiguous(memory_format=torch.channels_last)
    pixels, weight, bias = maps.flatten(2).transpose(1, 2), torch.randn(6, 8), torch.randn(6)
    found = linear_of_pixels(pixels, weight, bias)
    torch.testing.assert_close(found, F.linear(pixels, weight, bias))
    assert found.stride() == (15 * 6, 6, 1)
