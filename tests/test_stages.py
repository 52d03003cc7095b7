"""Channels and strides of the feature maps that a head reads, with and without a neck."""

import pytest
import torch
from mmengine.registry import MODELS
from mmseg.models.backbones import ResNet
from mmseg.models.necks import FPN
from torch import nn

from mmmaskformer.errors import UserError
from mmmaskformer.stages import Stages, fill_in_stages, reported_stages, stages_of

CHANNELS, STRIDES, SIDE = [3, 4, 5, 6], [4, 8, 16, 32], 128
BN = dict(type="BN")
PLAIN = [4, 4, 4, 4], [16, 16, 16, 16]
PYRAMID = CHANNELS, STRIDES
FPNS = [
    dict(num_outs=4),
    dict(num_outs=5),
    dict(num_outs=3, start_level=1),
    dict(num_outs=5, start_level=1, add_extra_convs="on_input"),
    dict(num_outs=4, start_level=2, add_extra_convs="on_output"),
]
NECKS = [
    *((PYRAMID, dict(type="mmseg.FPN", in_channels=CHANNELS, out_channels=7, **more)) for more in FPNS),
    *((PYRAMID, dict(type="mmdet.FPN", in_channels=CHANNELS, out_channels=7, **more)) for more in FPNS),
    (PYRAMID, dict(type="mmseg.FPN", in_channels=CHANNELS, out_channels=7, num_outs=2, start_level=1, end_level=3)),
    (PYRAMID, dict(type="mmdet.FPN", in_channels=CHANNELS, out_channels=7, num_outs=2, start_level=1, end_level=2)),
    (PYRAMID, dict(type="mmdet.PAFPN", in_channels=CHANNELS, out_channels=7, num_outs=5)),
    (PYRAMID, dict(type="mmdet.ChannelMapper", in_channels=CHANNELS, out_channels=8)),
    (PYRAMID, dict(type="mmdet.ChannelMapper", in_channels=CHANNELS, out_channels=8, num_outs=6)),
    (PLAIN, dict(type="mmseg.Feature2Pyramid", embed_dim=4, rescales=[4, 2, 1, 0.5], norm_cfg=BN)),
    (PLAIN, dict(type="mmseg.Feature2Pyramid", embed_dim=4, rescales=[2, 1, 0.5, 0.25], norm_cfg=BN)),
    (PLAIN, dict(type="mmseg.MultiLevelNeck", in_channels=PLAIN[0], out_channels=5, scales=[4, 2, 1, 0.5])),
    (([4], [16]), dict(type="mmseg.MultiLevelNeck", in_channels=[4], out_channels=5, scales=[2, 1])),
]


class Reporting(nn.Module):
    """A backbone that reports its stages and gives maps of zeros of these."""

    def __init__(self, channels: list[int], strides: list[int]) -> None:
        super().__init__()
        self.channels, self.strides = channels, strides

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        side = images.shape[-1]
        return tuple(images.new_zeros(1, c, side // s, side // s) for c, s in zip(self.channels, self.strides))


@pytest.mark.parametrize(("stages", "neck"), NECKS, ids=lambda value: value["type"] if isinstance(value, dict) else "")
def test_what_is_read_of_a_stock_neck_is_what_it_gives(stages: tuple, neck: dict) -> None:
    backbone, neck = Reporting(*stages), MODELS.build(neck).eval()
    maps = neck(backbone(torch.zeros(1, 3, SIDE, SIDE)))
    found = stages_of(backbone, neck)
    assert found.channels == [feature.shape[1] for feature in maps]
    assert found.strides == [SIDE // feature.shape[-1] for feature in maps]
    assert stages_of(nn.Identity(), neck) == Stages(found.channels, None)


def test_a_neck_that_reports_its_stages_is_believed() -> None:
    assert stages_of(nn.Identity(), Reporting([9], [2])) == Stages([9], [2])


def test_a_derived_neck_may_differ_and_is_not_guessed() -> None:
    derived = type("Derived", (FPN,), {})(CHANNELS, 7, 4)
    assert stages_of(Reporting(*PYRAMID), derived) is None


def test_attributes_of_the_same_name_and_another_meaning_report_nothing() -> None:
    resnet = ResNet(18, base_channels=4, stem_channels=4)
    assert resnet.strides == (1, 2, 2, 2)  # of its stages' convolutions
    assert reported_stages(resnet) is None
    assert reported_stages(Reporting([4, 8], [4])) is None
    assert reported_stages(Reporting([4, 8], [4, 0])) is None


def test_what_the_config_gives_is_kept() -> None:
    given = dict(in_channels=[1, 2], strides=[2, 4], in_index=[0, 1])
    assert fill_in_stages(given, "decode_head", Reporting(*PYRAMID)) == given
    assert fill_in_stages(given, "decode_head", nn.Identity()) == given


def test_one_of_the_two_may_be_given() -> None:
    backbone = Reporting(*PYRAMID)
    head = fill_in_stages(dict(in_channels=[1, 2, 3, 4], strides=None), "decode_head", backbone)
    assert head == dict(in_channels=[1, 2, 3, 4], strides=STRIDES)
    head = fill_in_stages(dict(strides=[2, 4, 8, 16]), "decode_head", backbone)
    assert head == dict(in_channels=CHANNELS, strides=[2, 4, 8, 16])
    assert fill_in_stages({}, "panoptic_head", backbone) == dict(in_channels=CHANNELS)


def test_in_index_chooses_among_the_maps() -> None:
    head = dict(in_index=[1, -1], strides=None)
    filled = fill_in_stages(head, "decode_head", Reporting(*PYRAMID))
    assert filled == dict(in_index=[1, -1], in_channels=[4, 6], strides=[8, 32])


def test_strides_that_are_not_known_are_left_to_the_head() -> None:
    neck = FPN(CHANNELS, 7, 4)
    assert fill_in_stages(dict(strides=None), "decode_head", nn.Identity(), neck) == dict(in_channels=[7] * 4)


@pytest.mark.parametrize(
    ("head", "stages", "words"),
    [
        (
            {},
            None,
            r"^decode_head.in_channels is missing and Identity does not report its channels: set decode_head.in_",
        ),
        (dict(in_index=[0, 4]), PYRAMID, "decode_head.in_index names feature map 4, but there are 4: 0 to 3"),
        (
            {},
            (CHANNELS, STRIDES[::-1]),
            r"would read feature maps of strides \[32, 16, 8, 4\], but .* the finest first",
        ),
        (dict(in_channels=CHANNELS), (CHANNELS, STRIDES[::-1]), "order them with decode_head.in_index"),
    ],
)
def test_a_head_that_cannot_be_filled_in_is_refused(head: dict, stages: tuple | None, words: str) -> None:
    backbone = nn.Identity() if stages is None else Reporting(*stages)
    with pytest.raises(UserError, match=words):
        fill_in_stages(head, "decode_head", backbone)
