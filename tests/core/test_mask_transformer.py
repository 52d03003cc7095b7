"""The whole model without a framework."""

import pytest
import torch

from mmmaskformer.core import FPNPixelDecoder, MaskTransformer
from mmmaskformer.pixels import PixelEmbeddings, PixelFeatures
from mmmaskformer.registry import MODELS

CHANNELS = [4, 8, 16, 32]


def build(**changes):
    torch.manual_seed(0)
    config = dict(
        in_channels=CHANNELS,
        num_classes=5,
        num_queries=6,
        channels=16,
        pixel_decoder=dict(norm_groups=4),
        transformer_decoder=dict(num_layers=2, num_heads=2, feedforward_channels=16, dropout=0.0),
    )
    return MaskTransformer(**{**config, **changes})


def features(height: int = 64, width: int = 96):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, c, height // s, width // s, generator=generator) for c, s in zip(CHANNELS, (4, 8, 16, 32))]


def test_parameters_stand_under_the_papers_names():
    groups = {name.split(".")[0] for name, _ in build().named_parameters()}
    assert groups == {
        "pixel_decoder", "transformer_decoder", "query_embed", "input_proj", "class_embed", "mask_embed"
    }  # fmt: skip


def test_last_only_gives_the_last_layer():
    model = build().eval()
    every, last = model(features()), model(features(), last_only=True)
    assert last.num_layers == 1
    torch.testing.assert_close(last.class_logits[0], every.class_logits[-1])
    torch.testing.assert_close(last.mask_logits(), every.mask_logits())


def test_padding_is_hidden_only_where_mask_padding_asks_for_it():
    padding = torch.zeros(2, 64, 96, dtype=torch.bool)
    padding[1, 32:] = True
    plain, masked = build().eval(), build(mask_padding=True).eval()
    x = features()
    torch.testing.assert_close(plain(x, padding).class_logits, plain(x).class_logits)
    torch.testing.assert_close(masked(x, padding).class_logits[:, 0], plain(x).class_logits[:, 0])
    assert not torch.allclose(masked(x, padding).class_logits[:, 1], plain(x).class_logits[:, 1])


def test_memory_of_the_right_width_is_projected_only_where_it_is_enforced():
    assert isinstance(build(channels=32).input_proj, torch.nn.Identity)
    assert isinstance(build(channels=32, enforce_input_projection=True).input_proj, torch.nn.Conv2d)


def test_pixel_and_transformer_decoder_can_be_swapped_by_config():
    @MODELS.register_module(name="CoarsePixelDecoder", force=True)
    class CoarsePixelDecoder(FPNPixelDecoder):
        def forward(self, features, padding_mask=None):
            found = super().forward(features, padding_mask)
            coarse = torch.nn.functional.avg_pool2d(found.pixels.dense(), 2)
            return PixelFeatures(PixelEmbeddings(coarse), found.memory)

    model = build(pixel_decoder=dict(type="mmmaskformer.CoarsePixelDecoder", norm_groups=4))
    assert model(features()).pixel_embeds.shape[-2:] == (8, 12)


@pytest.mark.parametrize("name", ["num_classes", "num_queries", "channels"])
def test_sizes_that_cannot_be_are_refused_by_name(name):
    with pytest.raises(ValueError, match=f"{name}=-1, expected at least 1"):
        build(**{name: -1})
