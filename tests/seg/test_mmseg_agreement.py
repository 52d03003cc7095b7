"""mmseg's installed MaskFormerHead with the same weights: the same outputs, losses and gradients."""

import pytest
import torch
from mmseg.registry import MODELS
from peer_heads import LAYERS, OUR_LAYERS, QUERIES, WIDTH, assert_same_step, build_peer
from release import assert_close
from tiny_models import CHANNELS, features, label_maps, samples
from torch import nn

from mmmaskformer.checkpoint import from_mmseg_head, to_mmseg_head

CLASSES = 5
SIZE = (64, 96)


def our_head(in_channels: list[int], ignore_index: int = 255) -> nn.Module:
    return MODELS.build(
        dict(
            type="mmmaskformer.MaskFormerHead",
            in_channels=in_channels,
            num_classes=CLASSES,
            num_queries=QUERIES,
            channels=WIDTH,
            ignore_index=ignore_index,
            pixel_decoder=dict(norm_groups=8),
            transformer_decoder=dict(num_layers=LAYERS, **OUR_LAYERS),
        )
    )


def pair(in_channels: list[int], ignore_index: int = 255) -> tuple[nn.Module, nn.Module]:
    """Both heads with the weights of mmseg's."""
    torch.manual_seed(6)
    theirs = build_peer("mmseg", in_channels, CLASSES, num_classes=CLASSES, ignore_index=ignore_index)
    ours = our_head(in_channels, ignore_index)
    theirs.init_weights()
    ours.load_state_dict(from_mmseg_head(theirs.state_dict(), prefix=""))
    return ours, theirs


# With and without a projection of the memory; the tiny channels always need one.
EACH = pytest.mark.parametrize("in_channels", [CHANNELS, [8, 16, 24, WIDTH]], ids=["projected", "as it is"])


@EACH
def test_outputs_and_scores_agree(in_channels: list[int]) -> None:
    ours, theirs = pair(in_channels)
    stages = features(*SIZE, channels=in_channels)
    batch = samples(label_maps(*SIZE))
    metas = [sample.metainfo for sample in batch]
    with torch.no_grad():
        scores = theirs.eval().predict(stages, [dict(meta) for meta in metas], {})
        for sample in batch:
            sample.set_metainfo(dict(batch_input_shape=SIZE))
        class_logits, mask_logits = theirs(stages, batch)
        predictions = ours.eval()(stages, metas)
        assert_close(predictions.class_logits, class_logits)
        for layer in range(LAYERS):
            assert_close(predictions.mask_logits(layer), mask_logits[layer])
        assert_close(ours.predict(stages, metas), scores)


@EACH
@pytest.mark.parametrize("ignore_index", [255, 65])
def test_losses_and_the_gradients_of_every_parameter_and_feature_agree(
    in_channels: list[int], ignore_index: int
) -> None:
    ours, theirs = pair(in_channels, ignore_index)
    maps = label_maps(*SIZE)
    maps[maps == 255] = ignore_index
    assert_same_step(
        ours,
        theirs,
        lambda: features(*SIZE, channels=in_channels),
        lambda head, stages: head.loss(stages, samples(maps), {}),
    )


def test_weights_go_to_mmseg_and_back_unchanged() -> None:
    ours, theirs = pair(CHANNELS)
    there = to_mmseg_head(ours.state_dict(), prefix="")
    assert there.keys() == theirs.state_dict().keys()
    assert all(torch.equal(there[key], value) for key, value in theirs.state_dict().items())
    back = from_mmseg_head(there, prefix="")
    assert all(torch.equal(back[key], value) for key, value in ours.state_dict().items())
