"""mmseg's decode heads as pixel decoders."""

from collections.abc import Iterator

import pytest
import torch
from mmengine.registry import DefaultScope
from tiny_models import CHANNELS, build_head, build_segmentor, features, head_config, label_maps, samples

from mmmaskformer.errors import UserError
from mmmaskformer.seg import DecodeHeadPixelDecoder

HEADS = {
    "UPerHead": dict(pool_scales=(1, 2)),
    "PSPHead": dict(pool_scales=(1, 2)),
    "DepthwiseSeparableASPPHead": dict(dilations=(1, 2), c1_channels=4),
}
EACH = pytest.mark.parametrize("kind", HEADS)


@pytest.fixture(autouse=True)
def mmsegs_scope() -> Iterator[None]:
    """The scope that a run of mmseg has, whichever one an earlier test left: there its heads need no prefix."""
    with DefaultScope.overwrite_default_scope("mmseg"):
        yield


def decoder(kind: str, **changes) -> dict:
    return dict(type="mmmaskformer.DecodeHeadPixelDecoder", head=dict(type=kind, **HEADS[kind], **changes))


@EACH
def test_a_decode_head_gives_embeddings_at_the_finest_stride_and_leaves_the_memory_as_it_is(kind: str) -> None:
    head = dict(type=kind, **HEADS[kind])
    pixel_decoder = DecodeHeadPixelDecoder(head, in_channels=CHANNELS, mask_dim=12, channels=16)
    stages = features(64, 96)
    found = pixel_decoder(stages)
    assert tuple(found.pixels.dense().shape) == (2, 12, 16, 24)
    assert found.memory is stages[-1]


def test_a_head_is_completed_without_changing_its_config() -> None:
    head = dict(type="DepthwiseSeparableASPPHead")
    pixel_decoder = DecodeHeadPixelDecoder(head, in_channels=CHANNELS)
    assert head == dict(type="DepthwiseSeparableASPPHead")
    assert pixel_decoder.head.c1_bottleneck.in_channels == CHANNELS[0]


@EACH
def test_a_training_step_reaches_every_parameter_of_the_decode_head(kind: str) -> None:
    model = build_segmentor(head=head_config(pixel_decoder=decoder(kind))).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    sum(model.loss(torch.randn(2, 3, 64, 64), samples(label_maps())).values()).backward()
    gradients = {name: parameter.grad for name, parameter in model.decode_head.pixel_decoder.named_parameters()}
    assert gradients and not [name for name, gradient in gradients.items() if gradient is None]
    assert gradients["head.conv_seg.weight"].abs().max() > 0
    before = model.decode_head.pixel_decoder.head.conv_seg.weight.detach().clone()
    optimizer.step()
    assert not torch.equal(model.decode_head.pixel_decoder.head.conv_seg.weight, before)


@EACH
def test_a_model_with_a_decode_head_predicts_label_maps(kind: str) -> None:
    head = build_head(pixel_decoder=decoder(kind)).eval()
    (labels, _) = head.predict_labels(features(64, 96), [dict(ori_shape=(40, 50))] * 2, (64, 96))
    assert tuple(labels.shape) == (40, 50)


@EACH
def test_embeddings_are_not_dropped(kind: str) -> None:
    assert DecodeHeadPixelDecoder(dict(type=kind, **HEADS[kind]), CHANNELS).head.dropout is None


def test_a_number_of_classes_that_is_not_the_width_of_the_mask_embeddings_is_refused() -> None:
    with pytest.raises(ValueError, match="PSPHead gives 150 channels, but the mask embeddings have 16"):
        build_head(pixel_decoder=decoder("PSPHead", num_classes=150))


def test_a_head_that_mmseg_does_not_have_is_named() -> None:
    with pytest.raises(UserError, match="no decode head 'UpperHead'"):
        DecodeHeadPixelDecoder(dict(type="UpperHead"), CHANNELS)
