"""timm's "same" padding as a constant."""

import timm
import torch

from mmmaskformer.export.same_padding import constant_same_padding, same_convolutions


def test_constant_padding_is_that_of_sizes_that_the_strides_divide_and_is_put_back() -> None:
    torch.manual_seed(0)
    model = timm.create_model("tf_efficientnet_lite0", features_only=True).eval()
    assert len(same_convolutions(model)) == 5  # one a stride of 2
    images, odd = torch.randn(1, 3, 64, 96), torch.randn(1, 3, 61, 75)
    with torch.no_grad():
        expected, before = model(images), model(odd)
        with constant_same_padding(model):
            found, inside = model(images), model(odd)
        after = model(odd)
    assert all(torch.equal(one, other) for one, other in zip(expected, found))
    assert all(torch.equal(one, other) for one, other in zip(before, after))
    assert any(one.shape != other.shape or not torch.equal(one, other) for one, other in zip(before, inside))
