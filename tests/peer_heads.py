"""mmseg's and mmdet's installed MaskFormerHead as their configs have it, smaller and without dropout; and its steps."""

from collections.abc import Callable
from typing import Any

import pytest
from mmengine.config import ConfigDict
from mmengine.registry import MODELS
from release import assert_close
from torch import Tensor, nn

from mmmaskformer.checkpoint import from_mmseg_head

QUERIES, WIDTH, LAYERS = 8, 32, 3
PIXEL_DECODER = dict(type="mmdet.PixelDecoder", norm_cfg=dict(type="GN", num_groups=8), act_cfg=dict(type="ReLU"))
POSITIONS = dict(num_feats=WIDTH // 2, normalize=True)
ATTENTION = dict(embed_dims=WIDTH, num_heads=4, dropout=0.0, batch_first=True)
FFN = dict(embed_dims=WIDTH, feedforward_channels=64, num_fcs=2, ffn_drop=0.0, act_cfg=dict(type="ReLU"))
OUR_LAYERS = dict(num_heads=4, feedforward_channels=64, dropout=0.0)


def build_peer(kind: str, in_channels: list[int], classes: int, **changes: Any) -> nn.Module:
    """The head of :func:`peer_config`."""
    return MODELS.build(ConfigDict(peer_config(kind, in_channels, classes, **changes)))


def peer_config(kind: str, in_channels: list[int], classes: int, **changes: Any) -> dict:
    """ "mmseg" or "mmdet"'s head; ``changes`` are what the two call by other names."""
    costs = [
        dict(type="mmdet.ClassificationCost", weight=1.0),
        dict(type="mmdet.FocalLossCost", weight=20.0, binary_input=True),
        dict(type="mmdet.DiceCost", weight=1.0, pred_act=True, eps=1.0),
    ]
    dice = dict(use_sigmoid=True, activate=True, reduction="mean", naive_dice=True, eps=1.0, loss_weight=1.0)
    class_weight = [1.0] * classes + [0.1]
    config = dict(
        type=f"{kind}.MaskFormerHead",
        in_channels=in_channels,
        feat_channels=WIDTH,
        out_channels=WIDTH,
        num_queries=QUERIES,
        pixel_decoder=PIXEL_DECODER,
        enforce_decoder_input_project=False,
        positional_encoding=POSITIONS,
        transformer_decoder=dict(
            return_intermediate=True,
            num_layers=LAYERS,
            layer_cfg=dict(self_attn_cfg=ATTENTION, cross_attn_cfg=ATTENTION, ffn_cfg=FFN),
            init_cfg=None,
        ),
        loss_cls=dict(type="mmdet.CrossEntropyLoss", use_sigmoid=False, reduction="mean", class_weight=class_weight),
        loss_mask=dict(type="mmdet.FocalLoss", use_sigmoid=True, reduction="mean", loss_weight=20.0),
        loss_dice=dict(type="mmdet.DiceLoss", **dice),
        train_cfg=dict(
            assigner=dict(type="mmdet.HungarianAssigner", match_costs=costs),
            sampler=dict(type="mmdet.MaskPseudoSampler"),
        ),
    )
    return {**config, **changes}


def assert_same_step(
    ours: nn.Module,
    theirs: nn.Module,
    make_features: Callable[[], list[Tensor]],
    loss: Callable[[nn.Module, list[Tensor]], dict[str, Tensor]],
) -> None:
    """The same losses, and the same gradients of every parameter and feature, within 1e-4."""
    losses, gradients = [], []
    for head in (ours, theirs):
        stages = [stage.requires_grad_() for stage in make_features()]
        step = loss(head.train(), stages)
        sum(step.values()).backward()
        losses.append({name: value.item() for name, value in step.items()})
        named = {name: parameter.grad for name, parameter in head.named_parameters()}
        gradients.append(named if head is ours else from_mmseg_head(named, prefix=""))
        gradients[-1].update({f"feature {index}": stage.grad for index, stage in enumerate(stages)})
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[1].items():
        assert_close(gradients[0][name], gradient)
