"""mmdet's installed MaskFormer, head and fusion head, with the same weights: outputs, losses, gradients, results."""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from release import assert_close
from tiny_detectors import STUFF, THINGS, samples
from tiny_models import CHANNELS, features
from torch import nn

from mmmaskformer.checkpoint import from_mmseg_head, to_mmseg_head

QUERIES, WIDTH, LAYERS = 8, 32, 3
CLASSES = THINGS + STUFF
SIZES = [(64, 80), (48, 96)]  # a padded batch of 64x96
PIXEL_DECODERS = ["FPN", "encoder"]
TEST_CFG = dict(panoptic_on=True, instance_on=True, object_mask_thr=0.2, iou_thr=0.2, max_per_image=12)


def attention() -> dict:
    return dict(embed_dims=WIDTH, num_heads=4, dropout=0.0, batch_first=True)


def ffn() -> dict:
    return dict(embed_dims=WIDTH, feedforward_channels=64, num_fcs=2, ffn_drop=0.0, act_cfg=dict(type="ReLU"))


def mmdet_head(kind: str) -> nn.Module:
    """The installed head as its COCO panoptic config has it, smaller and without dropout."""
    pixel_decoder = dict(type="mmdet.PixelDecoder", norm_cfg=dict(type="GN", num_groups=8), act_cfg=dict(type="ReLU"))
    if kind == "encoder":
        layer = dict(self_attn_cfg=attention(), ffn_cfg=ffn())
        pixel_decoder.update(
            type="mmdet.TransformerEncoderPixelDecoder",
            encoder=dict(num_layers=2, layer_cfg=layer),
            positional_encoding=dict(num_feats=WIDTH // 2, normalize=True),
        )
    costs = [
        dict(type="mmdet.ClassificationCost", weight=1.0),
        dict(type="mmdet.FocalLossCost", weight=20.0, binary_input=True),
        dict(type="mmdet.DiceCost", weight=1.0, pred_act=True, eps=1.0),
    ]
    layer = dict(self_attn_cfg=attention(), cross_attn_cfg=attention(), ffn_cfg=ffn())
    return MODELS.build(
        ConfigDict(
            type="mmdet.MaskFormerHead",
            in_channels=CHANNELS,
            feat_channels=WIDTH,
            out_channels=WIDTH,
            num_things_classes=THINGS,
            num_stuff_classes=STUFF,
            num_queries=QUERIES,
            pixel_decoder=pixel_decoder,
            enforce_decoder_input_project=False,
            positional_encoding=dict(num_feats=WIDTH // 2, normalize=True),
            transformer_decoder=dict(return_intermediate=True, num_layers=LAYERS, layer_cfg=layer, init_cfg=None),
            loss_cls=dict(
                type="mmdet.CrossEntropyLoss", use_sigmoid=False, reduction="mean", class_weight=[1.0] * CLASSES + [0.1]
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
            test_cfg=ConfigDict(TEST_CFG),
        )
    )


def our_head(kind: str) -> nn.Module:
    layers = dict(num_heads=4, feedforward_channels=64, dropout=0.0)
    pixel_decoder = dict(type="mmmaskformer.FPNPixelDecoder", norm_groups=8)
    if kind == "encoder":
        pixel_decoder.update(type="mmmaskformer.TransformerEncoderPixelDecoder", encoder=dict(num_layers=2, **layers))
    return MODELS.build(
        dict(
            type="mmmaskformer.MaskFormerPanopticHead",
            in_channels=CHANNELS,
            num_things_classes=THINGS,
            num_stuff_classes=STUFF,
            num_queries=QUERIES,
            channels=WIDTH,
            mask_padding=True,
            pixel_decoder=pixel_decoder,
            transformer_decoder=dict(num_layers=LAYERS, **layers),
            test_cfg=TEST_CFG,
        )
    )


def fusion_head() -> nn.Module:
    return MODELS.build(
        dict(
            type="mmdet.MaskFormerFusionHead",
            num_things_classes=THINGS,
            num_stuff_classes=STUFF,
            test_cfg=ConfigDict(TEST_CFG),
        )
    )


def pair(kind: str) -> tuple[nn.Module, nn.Module]:
    """Both heads with the weights of mmdet's."""
    torch.manual_seed(6)
    theirs, ours = mmdet_head(kind), our_head(kind)
    theirs.init_weights()
    ours.load_state_dict(from_mmseg_head(theirs.state_dict(), prefix=""))
    return ours, theirs


def opinionated(ours: nn.Module, theirs: nn.Module) -> None:
    """Gives each query a class and a mask of its own, in both heads alike; untrained ones all say the same."""
    for name, other, width, scale in (("class_embed", "cls_embed", CLASSES + 1, 3), ("mask_embed",) * 2 + (WIDTH, 5)):
        own = scale * torch.randn(QUERIES, width, generator=torch.Generator().manual_seed(4))
        for module in (getattr(ours, name), getattr(theirs, other)):
            module.register_forward_hook(lambda module, inputs, output, own=own: output + own)


EACH = pytest.mark.parametrize("kind", PIXEL_DECODERS)


@EACH
def test_outputs_on_a_padded_batch_agree(kind: str) -> None:
    ours, theirs = pair(kind)
    stages, batch = features(64, 96), samples(SIZES)
    with torch.no_grad():
        class_logits, mask_logits = theirs.eval()(stages, batch)
        predictions = ours.eval()(stages, batch)
        assert_close(predictions.class_logits, class_logits)
        for layer in range(LAYERS):
            assert_close(predictions.mask_logits(layer), mask_logits[layer])
        for mine, other in zip(ours.predict(stages, batch), theirs.predict(stages, batch)):
            assert_close(mine, other)


@EACH
@pytest.mark.parametrize("truth", ["panoptic", "instance"])
def test_losses_and_the_gradients_of_every_parameter_and_feature_agree(kind: str, truth: str) -> None:
    heads = pair(kind)
    losses, gradients = [], []
    for head in heads:
        stages = [stage.requires_grad_() for stage in features(64, 96)]
        step = head.train().loss(stages, samples(SIZES, truth=truth))
        sum(step.values()).backward()
        losses.append({name: loss.item() for name, loss in step.items()})
        named = {name: parameter.grad for name, parameter in head.named_parameters()}
        gradients.append(named if head is heads[0] else from_mmseg_head(named, prefix=""))
        gradients[-1].update({f"feature {index}": stage.grad for index, stage in enumerate(stages)})
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert gradients[0].keys() == gradients[1].keys()
    for name, theirs in gradients[1].items():
        assert_close(gradients[0][name], theirs)


@EACH
@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("filter_low_score", [True, False])
def test_panoptic_and_instance_results_on_a_padded_batch_agree(
    kind: str, rescale: bool, filter_low_score: bool
) -> None:
    ours, theirs = pair(kind)
    opinionated(ours, theirs)
    fusion = fusion_head()
    fusion.test_cfg.filter_low_score = ours.test_cfg["filter_low_score"] = filter_low_score
    stages, batch = features(64, 96), samples(SIZES)
    with torch.no_grad():
        expected = fusion.predict(*theirs.eval().predict(stages, batch), batch, rescale=rescale)
        found = ours.eval().predict_samples(stages, copy.deepcopy(batch), rescale=rescale)
    for sample, result in zip(found, expected):
        theirs_map = result["pan_results"].sem_seg.long()
        assert len(sample.pred_segments) >= 2, "nothing to compare"
        assert torch.equal(sample.pred_panoptic_seg.sem_seg, theirs_map)
        assert set(theirs_map.unique().tolist()) - {CLASSES} == set(sample.pred_segments.ids.tolist())
        assert_same_instances(sample.pred_instances, result["ins_results"])


def assert_same_instances(ours, theirs) -> None:
    """The same (label, score, box, mask) in order of score; mmdet's are not sorted."""
    assert len(ours) == len(theirs) > 2
    mine, other = (found[found.scores.argsort(descending=True)] for found in (ours, theirs))
    assert_close(mine.scores, other.scores)
    assert mine.labels.tolist() == other.labels.tolist()
    assert torch.equal(mine.masks, other.masks)
    assert torch.equal(mine.bboxes, other.bboxes)


@EACH
def test_weights_go_to_mmdet_and_back_unchanged(kind: str) -> None:
    ours, theirs = pair(kind)
    there = to_mmseg_head(ours.state_dict(), prefix="")
    assert there.keys() == theirs.state_dict().keys()
    assert all(torch.equal(there[key], value) for key, value in theirs.state_dict().items())
    back = from_mmseg_head(there, prefix="")
    assert all(torch.equal(back[key], value) for key, value in ours.state_dict().items())
