"""The segmentor that predicts straight to label maps."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from tiny_models import BACKBONE, CLASSES, SEGMENTORS, build_segmentor, head_config, label_maps, samples
from torch import nn

from mmmaskformer.errors import UserError
from mmmaskformer.seg.segmentor import MaskFormerSegmentor, window_starts

TIE = 1e-6


def images(height: int, width: int, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(4))


def samples_of(size: tuple[int, int], padding: tuple[int, int, int, int], original: tuple[int, int], batch: int):
    """Test samples as the data preprocessor leaves them; padding is left, right, top, bottom."""
    left, right, top, bottom = padding
    meta = dict(
        img_shape=(size[0] - top - bottom, size[1] - left - right),
        pad_shape=size,
        ori_shape=original,
        img_padding_size=padding,
    )
    return [SegDataSample(metainfo=dict(meta)) for _ in range(batch)]


@pytest.mark.parametrize(
    ("size", "padding", "original"),
    [
        ((64, 96), (0, 0, 0, 0), (64, 96)),
        ((64, 96), (0, 0, 0, 0), (100, 150)),
        ((64, 96), (0, 0, 0, 0), (31, 47)),
        ((64, 96), (0, 20, 0, 11), (53, 76)),
        ((96, 64), (0, 1, 0, 31), (130, 127)),
        ((64, 64), (3, 5, 7, 2), (200, 9)),
        ((64, 64), (0, 0, 0, 0), (9, 13)),
        ((70, 45), (0, 0, 0, 0), (70, 45)),
        ((33, 129), (0, 0, 0, 0), (64, 300)),
        ((32, 32), (0, 31, 0, 31), (1, 1)),
    ],
)
def test_streamed_labels_are_the_argmax_of_the_stock_scores(size: tuple, padding: tuple, original: tuple) -> None:
    model = build_segmentor()
    with torch.no_grad():
        streamed = model.predict(images(*size, batch=2), samples_of(size, padding, original, 2))
        stock = EncoderDecoder.predict(model, images(*size, batch=2), samples_of(size, padding, original, 2))
    for ours, theirs in zip(streamed, stock):
        labels, scores = ours.pred_sem_seg.data, theirs.seg_logits.data
        assert tuple(labels.shape) == (1, *original)
        assert (scores.gather(0, labels) >= scores.amax(0) - TIE).all()
        assert "seg_logits" not in ours
        if min(original) > 20:
            assert len(labels.unique()) > 1


def test_scores_are_kept_when_they_are_asked_for() -> None:
    model = build_segmentor(test_cfg=dict(mode="whole", scores=True))
    (sample,) = model.predict(images(64, 64), samples(label_maps(batch=1), ori_shape=(50, 60)))
    assert tuple(sample.seg_logits.data.shape) == (CLASSES, 50, 60)
    assert torch.equal(sample.pred_sem_seg.data[0], sample.seg_logits.data.argmax(0))


def test_images_without_samples_are_predicted_at_their_own_size() -> None:
    (first, second) = build_segmentor().predict(images(64, 96, batch=2))
    assert tuple(first.pred_sem_seg.data.shape) == tuple(second.pred_sem_seg.data.shape) == (1, 64, 96)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    "size",
    [(40, 48), (64, 64), (64, 40), (40, 200), (65, 64), (128, 128), (100, 150), (161, 97)],
    ids=lambda size: f"{size[0]}x{size[1]}",
)
def test_sliding_windows_are_averaged_for_images_of_any_size(size: tuple[int, int], batch: int) -> None:
    window, stride = 64, 40
    model = build_segmentor(test_cfg=dict(mode="slide", crop_size=(window, window), stride=(stride, stride)))
    pixels, (height, width) = images(*size, batch=batch), size

    total, count = torch.zeros(batch, CLASSES, height, width), torch.zeros(height, width)
    with torch.no_grad():
        for row in range(max(0, -(-(height - window) // stride)) + 1):
            for column in range(max(0, -(-(width - window) // stride)) + 1):
                bottom, right = min(row * stride + window, height), min(column * stride + window, width)
                top, left = max(bottom - window, 0), max(right - window, 0)
                predictions = model.decode_head(model.extract_feat(pixels[..., top:bottom, left:right]))
                masks = F.interpolate(predictions.mask_logits(), size=(bottom - top, right - left), mode="bilinear")
                classes = predictions.class_logits[-1].softmax(-1)[..., :-1]
                total[..., top:bottom, left:right] += torch.einsum("bqk,bqhw->bkhw", classes, masks.sigmoid())
                count[top:bottom, left:right] += 1
        predicted = model.predict(pixels, samples_of(size, (0, 0, 0, 0), size, batch))
    for index, sample in enumerate(predicted):
        assert torch.allclose(sample.seg_logits.data, total[index] / count, atol=1e-6)
        assert torch.equal(sample.pred_sem_seg.data[0], sample.seg_logits.data.argmax(0))


@pytest.mark.parametrize("size", [(40, 48), (64, 64), (100, 150)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_stock_segmentors_sliding_window_gives_the_same_with_our_head(size: tuple[int, int]) -> None:
    test_cfg = dict(mode="slide", crop_size=(64, 64), stride=(40, 40))
    ours, stock = (build_segmentor(kind, test_cfg=test_cfg) for kind in SEGMENTORS)
    with torch.no_grad():
        scores = [
            model.predict(images(*size), samples_of(size, (0, 0, 0, 0), size, 1))[0].seg_logits.data
            for model in (ours, stock)
        ]
    assert torch.allclose(*scores, atol=1e-6)


@pytest.mark.parametrize("test_cfg", [None, dict(scores=True), dict(mode="slide", crop_size=(64, 64), stride=(40, 40))])
def test_a_script_may_give_test_cfg_as_a_plain_dict_or_not_at_all(test_cfg: dict | None) -> None:
    model = MaskFormerSegmentor(backbone=dict(BACKBONE), decode_head=head_config(), test_cfg=test_cfg).eval()
    (sample,) = model.predict(images(64, 80))
    assert tuple(sample.pred_sem_seg.data.shape) == (1, 64, 80)


@pytest.mark.parametrize("stride", [0, -8, 65])
def test_a_stride_that_leaves_gaps_is_refused(stride: int) -> None:
    with pytest.raises(ValueError, match=rf"test_cfg\.stride={stride} must be between 1 and the window's 64"):
        window_starts(200, 64, stride)


def test_channels_and_strides_come_from_a_backbone_that_reports_them() -> None:
    head = head_config()
    del head["in_channels"]
    backbone = dict(type="mmmaskformer.TimmBackbone", model_name="resnet10t")
    model = build_segmentor(head=head, backbone=backbone)
    assert isinstance(model, MaskFormerSegmentor)
    assert model.decode_head.pixel_decoder.in_channels == model.backbone.channels == [64, 128, 256, 512]
    assert model.decode_head.strides == [4, 8, 16, 32]
    (sample,) = model.predict(images(64, 64))
    assert tuple(sample.pred_sem_seg.data.shape) == (1, 64, 64)


def test_missing_channels_are_asked_for_where_the_backbone_does_not_report_them() -> None:
    head = head_config()
    del head["in_channels"]
    with pytest.raises(ValueError, match=r"in_channels is missing and ResNet does not report its channels: set"):
        build_segmentor(head=head)


FCN = dict(type="mmseg.FCNHead", in_channels=32, in_index=3, channels=8, num_convs=1, num_classes=CLASSES)


@pytest.mark.parametrize("head", [head_config(), FCN], ids=["our head", "mmseg's head"])
@pytest.mark.parametrize("size", [(28, 64), (32, 32)])
@pytest.mark.parametrize("batch", [1, 2])
def test_label_maps_of_another_size_than_the_images_are_refused_before_a_loss(
    head: dict, size: tuple[int, int], batch: int
) -> None:
    names = dict(img_path="photo.jpg", seg_map_path="labels.png")
    with pytest.raises(UserError, match=rf"^labels\.png is {size[0]}x{size[1]} but its image photo\.jpg is 64x64"):
        build_segmentor(head=head).loss(images(64, 64, batch), samples(label_maps(*size, batch), **names))


def test_sizes_are_those_before_the_padding() -> None:
    padded = dict(padding_size=(0, 14, 0, 4), img_path="photo.jpg", seg_map_path="labels.png")
    with pytest.raises(UserError, match=r"^labels\.png is 56x50 but its image photo\.jpg is 60x50"):
        build_segmentor().loss(images(64, 64), samples(label_maps(60, 64, 1), **padded))


@MODELS.register_module()
class PlainBackbone(nn.Module):
    """Four maps of one size, as of a plain vision transformer; reports them if it shall."""

    def __init__(self, stride: int = 16, reports: bool = True) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 16, stride, stride)
        if reports:
            self.channels, self.strides = [16] * 4, [stride] * 4

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.embed(images),) * 4


FPN = dict(type="FPN", in_channels=[64, 128, 256, 512], out_channels=12, num_outs=4)
PYRAMID = dict(type="Feature2Pyramid", embed_dim=16, rescales=[4, 2, 1, 0.5], norm_cfg=dict(type="BN"))
WITH_NECK = {
    "FPN": dict(backbone=dict(type="mmmaskformer.TimmBackbone", model_name="resnet10t"), neck=FPN),
    "Feature2Pyramid": dict(backbone=dict(type="PlainBackbone"), neck=PYRAMID),
    "strides unknown": dict(backbone=dict(type="PlainBackbone", reports=False), neck=PYRAMID),
    "half the strides": dict(backbone=dict(type="PlainBackbone", stride=8, reports=False), neck=PYRAMID),
}


@pytest.mark.parametrize("kind", ["MaskFormerHead", "PerPixelBaselineHead"])
@pytest.mark.parametrize("model", WITH_NECK.values(), ids=WITH_NECK)
def test_behind_a_neck_results_are_of_the_images_size(model: dict, kind: str) -> None:
    head = head_config(kind)
    del head["in_channels"]
    size = (64, 96)
    whole = build_segmentor(head=head, **model, test_cfg=dict(mode="whole", scores=True))
    windows = build_segmentor(head=head, **model, test_cfg=dict(mode="slide", crop_size=size, stride=size))
    scores = whole.encode_decode(images(*size), [{}])
    assert tuple(scores.shape) == (1, CLASSES, *size)
    with torch.no_grad():
        for segmentor in (whole, windows):
            (sample,) = segmentor.predict(images(*size), samples_of(size, (0, 32, 0, 32), (32, 64), 1))
            assert torch.equal(sample.seg_logits.data, scores[0, :, :32, :64])
    losses = whole.train().loss(images(64, 64, batch=2), samples(label_maps()))
    assert all(torch.isfinite(loss) for loss in losses.values())


@pytest.mark.parametrize("model", WITH_NECK.values(), ids=WITH_NECK)
def test_behind_a_neck_padding_is_masked_where_it_is(model: dict) -> None:
    head = head_config(mask_padding=True)
    del head["in_channels"]
    segmentor = build_segmentor(head=head, **model)
    seen = []
    segmentor.decode_head.positional_encoding.register_forward_pre_hook(lambda module, args: seen.append(args[1]))
    metas = samples_of((64, 96), (0, 32, 0, 32), (32, 64), 1)
    segmentor.predict(images(64, 96), metas)
    segmentor.loss(images(64, 96), samples(label_maps(64, 96, batch=1), img_shape=(32, 64)))
    rows, columns = seen[0].shape[-2:]
    for mask in seen:
        assert not mask[0, : rows // 2, : 2 * columns // 3].any() and mask[0, rows // 2 :].all()


def test_strides_that_the_config_gives_are_kept() -> None:
    head = head_config(strides=[2, 4, 8, 16])
    del head["in_channels"]
    backbone = dict(type="mmmaskformer.TimmBackbone", model_name="resnet10t")
    assert build_segmentor(head=head, backbone=backbone).decode_head.strides == [2, 4, 8, 16]
    head = head_config(in_channels=[128, 256], in_index=[1, 2])
    assert build_segmentor(head=head, backbone=backbone).decode_head.strides == [8, 16]


def test_mmsegs_own_heads_are_built_as_they_are() -> None:
    head = dict(type="FCNHead", in_channels=512, in_index=3, channels=8, num_convs=1, num_classes=CLASSES)
    backbone = dict(type="mmmaskformer.TimmBackbone", model_name="resnet10t")
    (sample,) = build_segmentor(head=head, backbone=backbone).predict(images(64, 64))
    assert tuple(sample.pred_sem_seg.data.shape) == (1, 64, 64)


@pytest.mark.parametrize("strides", [(16, 32, 64, 128), (2, 4, 8, 16)])
def test_mmsegs_segmentor_with_wrong_strides_is_refused(strides: tuple[int, ...]) -> None:
    model = build_segmentor("mmseg.EncoderDecoder", head=head_config(strides=strides))
    with pytest.raises(UserError, match=r"16x24 at stride \d+ .* but the input is 64x96: set decode_head.strides"):
        model.predict(images(64, 96), samples_of((64, 96), (0, 0, 0, 0), (64, 96), 1))
