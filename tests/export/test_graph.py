"""The graph's arithmetic is that of prediction: label maps, segments and instances of whole batches."""

from typing import Any

import pytest
import tiny_detectors
import tiny_models
import torch
from mmdet.structures import DetDataSample
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmmaskformer.errors import UserError
from mmmaskformer.export import graph_of

NORMALIZE = dict(mean=[120.0, 110.0, 100.0], std=[60.0, 58.0, 57.0])
EVERYTHING = dict(panoptic_on=True, instance_on=True, semantic_on=True, object_mask_thr=0.3, iou_thr=0.3)
SIZES = [((64, 96), (64, 96)), ((70, 45), (70, 45)), ((70, 45), (140, 100)), ((33, 129), (20, 61))]


def segmentor(head: dict | None = None, bgr_to_rgb: bool = True, **changes: Any) -> nn.Module:
    preprocessor = dict(type="mmseg.SegDataPreProcessor", bgr_to_rgb=bgr_to_rgb, test_cfg=dict(size_divisor=32))
    preprocessor.update(NORMALIZE, size=(64, 64), pad_val=1.5)
    return tiny_models.build_segmentor(head=head, data_preprocessor=preprocessor, **changes)


def detector(divisor: int = 32, head: dict | None = None, **test_cfg: Any) -> nn.Module:
    preprocessor = dict(type="mmdet.DetDataPreprocessor", bgr_to_rgb=True, pad_size_divisor=divisor, **NORMALIZE)
    return tiny_detectors.build_detector(head, data_preprocessor=preprocessor, test_cfg={**EVERYTHING, **test_cfg})


def photos(size: tuple[int, int], batch: int = 2) -> Tensor:
    """(B, H, W, 3) uint8, in blocks that the backbone can see."""
    generator = torch.Generator().manual_seed(sum(size))
    blocks = torch.randint(0, 256, (batch, -(-size[0] // 8), -(-size[1] // 8), 3), generator=generator)
    large = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, : size[0], : size[1]]
    return large.to(torch.uint8).contiguous()


def predict(model: nn.Module, images: Tensor, output: tuple[int, int]) -> list:
    """What the model's own test step makes of the images, loaded as BGR and resized from ``output``."""
    size = tuple(images.shape[1:3])
    kind = DetDataSample if hasattr(model, "panoptic_head") else SegDataSample
    samples = [kind(metainfo=dict(img_shape=size, ori_shape=output, pad_shape=size)) for _ in images]
    with torch.no_grad():
        return model.test_step(dict(inputs=list(images.flip(3).permute(0, 3, 1, 2)), data_samples=samples))


def run(model: nn.Module, images: Tensor, output: tuple[int, int], **options: Any) -> dict[str, Tensor]:
    with torch.no_grad():
        return graph_of(model, **options)(images, torch.tensor(output))


def assert_labels(model: nn.Module, size: tuple[int, int], output: tuple[int, int], classes: int = 2) -> None:
    images = photos(size)
    found = run(model, images, output)["labels"]
    for labels, sample in zip(found, predict(model, images, output)):
        expected = sample.pred_sem_seg
        expected = (expected.data if "data" in expected else expected.sem_seg)[0]
        assert labels.dtype == torch.int32 and tuple(labels.shape) == output
        assert (labels != expected).float().mean() <= 1e-4
        assert len(expected.unique()) >= classes


@pytest.mark.parametrize(("size", "output"), SIZES)
def test_label_maps_are_the_segmentors(size: tuple[int, int], output: tuple[int, int]) -> None:
    assert_labels(segmentor(), size, output)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("MaskFormerHead", dict(order="mask_logits")),
        ("MaskFormerHead", dict(inference="general")),
        ("MaskFormerHead", dict(mask_padding=True)),
        ("PerPixelBaselineHead", {}),
        ("MaskFormerHead", tiny_models.FAST),
        ("MaskFormerHead", tiny_models.PLACED),
        ("PerPixelBaselinePlusHead", {}),
        ("PerPixelBaselinePlusHead", dict(mask_padding=True)),
    ],
)
def test_every_head_and_way_of_inference_has_its_graph(kind: str, changes: dict) -> None:
    head = tiny_models.head_config(kind, **changes)
    assert_labels(segmentor(head), (70, 45), (100, 130), classes=1)


def test_the_stock_segmentor_has_its_own_inference_whatever_the_head_says() -> None:
    head = tiny_models.head_config(inference="general")
    assert_labels(segmentor(head, kind="mmseg.EncoderDecoder"), (70, 45), (100, 130))


def test_a_model_of_bgr_images_is_given_rgb_all_the_same() -> None:
    images = photos((64, 64))
    as_rgb, as_bgr = (
        run(segmentor(bgr_to_rgb=flag), images, (64, 64), scores=True)["scores"] for flag in (True, False)
    )
    assert not torch.allclose(as_rgb, as_bgr, atol=1e-3)
    assert_labels(segmentor(bgr_to_rgb=False), (64, 96), (64, 96))


def test_without_a_size_results_are_as_large_as_the_images() -> None:
    model, images = segmentor(), photos((70, 45))
    with torch.no_grad():
        assert torch.equal(graph_of(model)(images)["labels"], run(model, images, (70, 45))["labels"])


def test_scores_are_those_whose_best_class_is_the_label() -> None:
    found = run(segmentor(), photos((64, 64)), (50, 40), scores=True)
    assert tuple(found["scores"].shape) == (2, tiny_models.CLASSES, 50, 40)
    assert torch.equal(found["scores"].argmax(1).int(), found["labels"])


@pytest.mark.parametrize("test_cfg", [{}, dict(filter_low_score=True), dict(object_mask_thr=0.99), dict(iou_thr=0.9)])
@pytest.mark.parametrize(("size", "output"), SIZES[1:])
def test_segments_are_the_detectors(size: tuple[int, int], output: tuple[int, int], test_cfg: dict) -> None:
    model, images = detector(**test_cfg), photos(size)
    found = run(model, images, output)
    for index, sample in enumerate(predict(model, images, output)):
        rows = found["segment_labels"][index] >= 0
        assert torch.equal(found["segment_labels"][index][rows].long(), sample.pred_segments.labels)
        assert torch.allclose(found["segment_scores"][index][rows], sample.pred_segments.scores)
        ids = torch.full((len(rows) + 1,), model.panoptic_head.num_classes)
        ids[:-1][rows] = sample.pred_segments.ids
        code = ids[found["segment_map"][index].long()]
        assert (code != sample.pred_panoptic_seg.sem_seg[0]).float().mean() <= 1e-4


@pytest.mark.parametrize(("size", "output"), SIZES[1:3])
def test_instances_and_label_maps_are_the_detectors(size: tuple[int, int], output: tuple[int, int]) -> None:
    model, images = detector(), photos(size)
    found = run(model, images, output)
    for index, sample in enumerate(predict(model, images, output)):
        rows, expected = found["instance_labels"][index] >= 0, sample.pred_instances
        assert 0 < rows.sum() < len(rows)
        assert torch.equal(found["instance_labels"][index][rows].long(), expected.labels)
        assert torch.allclose(found["instance_scores"][index][rows], expected.scores, atol=1e-5)
        assert (found["instance_masks"][index][rows] != expected.masks).float().mean() <= 1e-4
        assert torch.allclose(found["instance_boxes"][index][rows], expected.bboxes, atol=1)
    assert_labels(model, size, output)


def test_a_detector_without_padding_and_with_hidden_padding_agree_with_their_graphs() -> None:
    assert_labels(detector(divisor=1), (70, 45), (140, 90))
    for parts in ({}, tiny_models.FAST):
        assert_labels(detector(head=tiny_detectors.head_config(mask_padding=True, **parts)), (70, 45), (140, 90))


def test_what_a_graph_cannot_do_is_refused_with_the_way_out() -> None:
    with pytest.raises(UserError, match=r"postprocess='detr' repeats itself .* model.test_cfg.postprocess=maskformer"):
        graph_of(detector(postprocess="detr"))
    slide = dict(mode="slide", crop_size=(64, 64), stride=(40, 40))
    with pytest.raises(UserError, match=r"the graph sees whole images; say --cfg-options model.test_cfg.mode=whole"):
        graph_of(segmentor(test_cfg=slide))
    with pytest.raises(UserError, match="general inference .* leave --scores out"):
        graph_of(segmentor(tiny_models.head_config(inference="general")), scores=True)
    with pytest.raises(UserError, match="add semantic to --outputs"):
        graph_of(detector(semantic_on=False), scores=True)
    foreign = dict(type="mmseg.FCNHead", in_channels=32, in_index=3, channels=8, num_convs=1, num_classes=3)
    with pytest.raises(UserError, match="model.decode_head is FCNHead: only mmmaskformer's"):
        graph_of(segmentor(foreign))
