"""The detector: how it is built, its modes, and two ranks as one batch."""

import pytest
import torch
from rank_step import assert_two_ranks_are_one_batch
from tiny_detectors import STUFF, THINGS, build_detector, head_config, images, samples
from tiny_models import BACKBONE, CHANNELS

NASFPN = dict(in_channels=CHANNELS, out_channels=12, num_outs=4, stack_times=1)
NECK = dict(type="mmdet.FPN", in_channels=CHANNELS, out_channels=12, num_outs=4)


def test_a_backbone_that_reports_its_channels_fills_in_the_heads():
    timm = dict(type="mmmaskformer.TimmBackbone", model_name="resnet10t", strides=(8, 16, 32))
    head = head_config()
    del head["in_channels"]
    model = build_detector(head, backbone=timm)
    assert list(model.panoptic_head.pixel_decoder.in_channels) == list(model.backbone.channels)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(backbone=BACKBONE), "in_channels is missing and ResNet does not report its channels"),
        (
            dict(neck=dict(type="mmdet.NASFPN", **NASFPN)),
            "in_channels is missing and NASFPN does not report its channels",
        ),
    ],
)
def test_channels_that_nobody_knows_are_asked_for(changes, words):
    head = head_config()
    del head["in_channels"]
    with pytest.raises(ValueError, match=words):
        build_detector(head, **changes)


def test_a_stock_necks_channels_fill_in_the_heads():
    head = head_config()
    del head["in_channels"]
    batch = samples([(64, 80)])
    model = build_detector(head, neck=NECK)
    assert model.panoptic_head.pixel_decoder.in_channels == [12] * 4
    class_logits, _ = model(images(batch), batch, mode="tensor")
    assert class_logits.shape == (2, 1, 8, THINGS + STUFF + 1)


def test_a_neck_stands_between():
    batch = samples([(64, 80), (48, 96)])
    model = build_detector(head_config(in_channels=[12] * 4), neck=NECK)
    class_logits, mask_logits = model(images(batch), batch, mode="tensor")
    assert class_logits.shape == (2, 2, 8, THINGS + STUFF + 1)
    assert mask_logits.shape == (2, 8, 16, 24)


def test_an_image_is_predicted_alike_alone_and_beside_a_larger_one_with_padding_masked():
    sizes = [(64, 64), (32, 64)]
    # A backbone sees the padding too, so the features are given: zero on it, as after a convolution without bias.
    model = build_detector(head_config(mask_padding=True), test_cfg=dict(object_mask_thr=0.0, iou_thr=0.0))
    batch, alone = samples(sizes, truth=""), samples(sizes[1:], truth="")
    with torch.no_grad():
        stages = model.extract_feat(images(batch))
        for stage, stride in zip(stages, (4, 8, 16, 32)):
            stage[1, :, 32 // stride :] = 0
        own = [stage[1:, :, : 32 // stride] for stage, stride in zip(stages, (4, 8, 16, 32))]
        together = model.panoptic_head(stages, batch).class_logits[:, 1]
        apart = model.panoptic_head(own, alone).class_logits[:, 0]
    torch.testing.assert_close(together, apart)


@pytest.mark.parametrize("void_rank", [False, True], ids=["segments on both", "one without a segment"])
def test_loss_and_gradients_of_two_ranks_equal_one_process_with_the_doubled_batch(void_rank):
    assert_two_ranks_are_one_batch("detector", void_rank)
