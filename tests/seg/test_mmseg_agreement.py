"""mmseg's installed MaskFormerHead with the same weights: the same outputs, losses and gradients."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from tiny_models import CHANNELS, features, label_maps, samples
from torch import Tensor, nn

from mmmaskformer.checkpoint import from_mmseg_head, to_mmseg_head

TOLERANCE = 1e-4
CLASSES, QUERIES, WIDTH, LAYERS = 5, 8, 32, 3
SIZE = (64, 96)


def mmseg_head(in_channels: list[int], ignore_index: int = 255) -> nn.Module:
    """The installed head as its ADE20K config has it, smaller and without dropout."""
    attention = dict(embed_dims=WIDTH, num_heads=4, attn_drop=0.0, proj_drop=0.0, dropout_layer=None, batch_first=True)
    ffn = dict(
        embed_dims=WIDTH,
        feedforward_channels=64,
        num_fcs=2,
        act_cfg=dict(type="ReLU", inplace=True),
        ffn_drop=0.0,
        dropout_layer=None,
        add_identity=True,
    )
    costs = [
        dict(type="mmdet.ClassificationCost", weight=1.0),
        dict(type="mmdet.FocalLossCost", weight=20.0, binary_input=True),
        dict(type="mmdet.DiceCost", weight=1.0, pred_act=True, eps=1.0),
    ]
    class_weight = [1.0] * CLASSES + [0.1]
    return MODELS.build(
        ConfigDict(
            type="mmseg.MaskFormerHead",
            in_channels=in_channels,
            feat_channels=WIDTH,
            out_channels=WIDTH,
            num_classes=CLASSES,
            num_queries=QUERIES,
            ignore_index=ignore_index,
            pixel_decoder=dict(
                type="mmdet.PixelDecoder", norm_cfg=dict(type="GN", num_groups=8), act_cfg=dict(type="ReLU")
            ),
            enforce_decoder_input_project=False,
            positional_encoding=dict(num_feats=WIDTH // 2, normalize=True),
            transformer_decoder=dict(
                return_intermediate=True,
                num_layers=LAYERS,
                layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn),
                init_cfg=None,
            ),
            loss_cls=dict(
                type="mmdet.CrossEntropyLoss", use_sigmoid=False, reduction="mean", class_weight=class_weight
            ),
            loss_mask=dict(type="mmdet.FocalLoss", use_sigmoid=True, reduction="mean", loss_weight=20.0),
            loss_dice=dict(
                type="mmdet.DiceLoss",
                use_sigmoid=True,
                activate=True,
                reduction="mean",
                naive_dice=True,
                eps=1.0,
                loss_weight=1.0,
            ),
            train_cfg=dict(
                assigner=dict(type="mmdet.HungarianAssigner", match_costs=costs),
                sampler=dict(type="mmdet.MaskPseudoSampler"),
            ),
        )
    )


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
            transformer_decoder=dict(num_layers=LAYERS, num_heads=4, feedforward_channels=64, dropout=0.0),
        )
    )


def pair(in_channels: list[int], ignore_index: int = 255) -> tuple[nn.Module, nn.Module]:
    """Both heads with the weights of mmseg's."""
    torch.manual_seed(6)
    theirs, ours = mmseg_head(in_channels, ignore_index), our_head(in_channels, ignore_index)
    theirs.init_weights()
    ours.load_state_dict(from_mmseg_head(theirs.state_dict(), prefix=""))
    return ours, theirs


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    """Equal within 1e-4 of the largest magnitude."""
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= TOLERANCE * theirs.abs().max()


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
    heads = pair(in_channels, ignore_index)
    maps = label_maps(*SIZE)
    maps[maps == 255] = ignore_index
    losses, gradients = [], []
    for head in heads:
        stages = [stage.requires_grad_() for stage in features(*SIZE, channels=in_channels)]
        step = head.train().loss(stages, samples(maps), {})
        sum(step.values()).backward()
        losses.append({name: loss.item() for name, loss in step.items()})
        named = {name: parameter.grad for name, parameter in head.named_parameters()}
        gradients.append(named if head is heads[0] else from_mmseg_head(named, prefix=""))
        gradients[-1].update({f"feature {index}": stage.grad for index, stage in enumerate(stages)})
    assert losses[0] == pytest.approx(losses[1], rel=TOLERANCE)
    assert gradients[0].keys() == gradients[1].keys()
    for name, theirs in gradients[1].items():
        assert_close(gradients[0][name], theirs)


def test_weights_go_to_mmseg_and_back_unchanged() -> None:
    ours, theirs = pair(CHANNELS)
    there = to_mmseg_head(ours.state_dict(), prefix="")
    assert there.keys() == theirs.state_dict().keys()
    assert all(torch.equal(there[key], value) for key, value in theirs.state_dict().items())
    back = from_mmseg_head(there, prefix="")
    assert all(torch.equal(back[key], value) for key, value in ours.state_dict().items())
