"""mmdet's installed MaskFormer, head and fusion head, with the same weights: outputs, losses, gradients, results."""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from peer_heads import (
    ATTENTION,
    FFN,
    LAYERS,
    OUR_LAYERS,
    PIXEL_DECODER,
    POSITIONS,
    QUERIES,
    WIDTH,
    assert_same_step,
    build_peer,
)
from release import assert_close
from tiny_detectors import STUFF, THINGS, samples
from tiny_models import CHANNELS, features
from torch import nn

from mmmaskformer.checkpoint import from_mmseg_head, to_mmseg_head

CLASSES = THINGS + STUFF
SIZES = [(64, 80), (48, 96)]  # a padded batch of 64x96
PIXEL_DECODERS = ["FPN", "encoder"]
TEST_CFG = dict(panoptic_on=True, instance_on=True, object_mask_thr=0.2, iou_thr=0.2, max_per_image=12)


def mmdet_head(kind: str) -> nn.Module:
    """The installed head, with either pixel decoder."""
    pixel_decoder = PIXEL_DECODER
    if kind == "encoder":
        pixel_decoder = dict(
            PIXEL_DECODER,
            type="mmdet.TransformerEncoderPixelDecoder",
            encoder=dict(num_layers=2, layer_cfg=dict(self_attn_cfg=ATTENTION, ffn_cfg=FFN)),
            positional_encoding=POSITIONS,
        )
    return build_peer(
        "mmdet",
        CHANNELS,
        CLASSES,
        num_things_classes=THINGS,
        num_stuff_classes=STUFF,
        pixel_decoder=pixel_decoder,
        test_cfg=ConfigDict(TEST_CFG),
    )


def our_head(kind: str) -> nn.Module:
    pixel_decoder = dict(type="mmmaskformer.FPNPixelDecoder", norm_groups=8)
    if kind == "encoder":
        pixel_decoder.update(
            type="mmmaskformer.TransformerEncoderPixelDecoder", encoder=dict(num_layers=2, **OUR_LAYERS)
        )
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
            transformer_decoder=dict(num_layers=LAYERS, **OUR_LAYERS),
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
    ours, theirs = pair(kind)
    assert_same_step(
        ours, theirs, lambda: features(64, 96), lambda head, stages: head.loss(stages, samples(SIZES, truth=truth))
    )


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
