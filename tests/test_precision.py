"""Models in half, bfloat16 and double, and predictions under autocast."""

from copy import deepcopy
from typing import Any

import pytest
import tiny_detectors
import tiny_models
import torch
from mmengine.runner.amp import autocast
from predictions import predictions, targets
from torch import Tensor, nn

from mmmaskformer.core import MaskCriterion
from mmmaskformer.core.inference import label_map, semantic_scores
from mmmaskformer.core.instances import instance_predictions
from mmmaskformer.core.panoptic import detr_segments, panoptic_segments
from mmmaskformer.core.tiles import ORDERS, OutputGeometry
from mmmaskformer.pixels import PixelEmbeddings
from mmmaskformer.precision import at_least_float32, in_precision_of, without_autocast
from mmmaskformer.structures import MaskPredictions

# Loss of a whole model, relative; share of pixels whose best two classes are closer than the precision.
TOLERANCES = {torch.float64: (1e-4, 0.001), torch.float16: (0.01, 0.02), torch.bfloat16: (0.05, 0.05)}
LOW = [torch.float16, torch.bfloat16]
HEADS = ["MaskFormerHead", "PerPixelBaselineHead", "PerPixelBaselinePlusHead"]
ENCODER = dict(type="mmmaskformer.TransformerEncoderPixelDecoder", norm_groups=4, encoder=tiny_models.DECODER)
PANOPTIC = dict(panoptic_on=True, instance_on=True, semantic_on=True, object_mask_thr=0.3, iou_thr=0.3)
GEOMETRIES = {"plain": OutputGeometry.plain((32, 48)), "resized": OutputGeometry((32, 48), (3, 5, 25, 41), (77, 60))}


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_low_precision_is_raised_to_fp32_and_higher_is_kept(dtype, expected):
    x = torch.randn(3).to(dtype)
    raised = at_least_float32(x)
    assert raised.dtype == expected
    assert (raised is x) == (dtype == expected)
    torch.testing.assert_close(raised, x.to(expected), rtol=0, atol=0)


def test_autocast_is_off_inside_the_block_alone():
    x = torch.ones(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with without_autocast(x):
            assert (x @ x).dtype == torch.float32
        assert (x @ x).dtype == torch.bfloat16
    with without_autocast(x):
        assert (x @ x).dtype == torch.float32


def test_images_take_the_precision_of_the_weights_where_there_are_any():
    images = torch.randn(1, 3, 4, 4)
    assert in_precision_of(nn.Conv2d(3, 4, 1).half(), images).dtype == torch.float16
    assert in_precision_of(nn.Conv2d(3, 4, 1), images) is images
    assert in_precision_of(nn.Identity(), images) is images
    quantized = nn.Conv2d(3, 4, 1)
    quantized.weight = nn.Parameter(torch.zeros(4, 3, 1, 1, dtype=torch.int8), requires_grad=False)
    assert in_precision_of(quantized, images) is images


def lowered(dtype: torch.dtype, convolved: bool) -> MaskPredictions:
    """Predictions as a model gives them under autocast; the weights of the last convolution stay fp32 there."""
    full = predictions()
    pixels = PixelEmbeddings(full.pixel_embeds.detach().to(dtype))
    if convolved:
        pixels.weight = torch.randn(8, 8, 3, 3, generator=torch.Generator().manual_seed(3)) / 3
        pixels.bias = torch.zeros(8)
    return MaskPredictions(full.class_logits.detach().to(dtype), full.mask_embeds.detach().to(dtype), pixels)


def streamed(predicted: MaskPredictions, geometry: OutputGeometry) -> dict[str, Tensor]:
    """All outputs of image 1."""
    arguments, options = (predicted, 1, geometry), dict(num_things=3, confidence=0.2)
    panoptic = panoptic_segments(*arguments, overlap=0.1, **options)
    instances = instance_predictions(*arguments, num_things=3, max_instances=20)
    assert len(panoptic) > 1 and len(instances) > 1
    return {
        **{order: label_map(*arguments, order) for order in ORDERS},
        "general": label_map(*arguments, method="general"),
        "panoptic": panoptic.ids,
        "detr": detr_segments(*arguments, **options).ids,
        "masks": instances.masks,
        "scores of instances": instances.scores,
        "whole scores": semantic_scores(predicted, geometry.input_size),
    }


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("convolved", [False, True], ids=["dense pixels", "convolution to come"])
def test_what_is_made_of_low_predictions_under_autocast_is_what_fp32_makes_of_them(dtype, geometry, convolved):
    predicted = lowered(dtype, convolved)
    expected = streamed(predicted.at_least_float32(), GEOMETRIES[geometry])
    with torch.autocast("cpu", dtype=dtype):
        found = streamed(predicted, GEOMETRIES[geometry])
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def segmentor(kind: str = "MaskFormerHead", **changes: Any) -> nn.Module:
    return tiny_models.build_segmentor(head=tiny_models.head_config(kind, **changes))


def semantic_batch(resized: bool = False) -> tuple[Tensor, list]:
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return images, tiny_models.samples(tiny_models.label_maps(), ori_shape=(90, 70) if resized else (64, 64))


def panoptic_batch(resized: bool = False) -> tuple[Tensor, list]:
    samples = tiny_detectors.samples([(64, 96), (64, 96)], (90, 70) if resized else (64, 96))
    return tiny_detectors.images(samples), samples


@torch.no_grad()
def labels(model: nn.Module, images: Tensor, samples: list) -> Tensor:
    """Label maps (B, H, W)."""
    return torch.cat([sample.pred_sem_seg.data for sample in model(images, samples, mode="predict")])


@pytest.mark.parametrize("resized", [False, True], ids=["plain", "resized"])
@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("MaskFormerHead", dict(order="scores")),
        ("MaskFormerHead", dict(order="mask_logits")),
        ("MaskFormerHead", dict(inference="general")),
        ("PerPixelBaselineHead", {}),
        ("PerPixelBaselinePlusHead", {}),
    ],
)
def test_a_label_map_under_autocast_is_that_of_fp32_but_for_near_ties(kind, changes, dtype, resized):
    model = segmentor(kind, **changes)
    expected = labels(model, *semantic_batch(resized))
    with torch.autocast("cpu", dtype=dtype):
        found = labels(model, *semantic_batch(resized))
    assert len(expected.unique()) > 1
    assert (found != expected).float().mean() <= TOLERANCES[dtype][1]


@torch.no_grad()
def outputs(model: nn.Module, images: Tensor, samples: list) -> dict[str, Tensor]:
    """Panoptic codes, semantic labels, and masks and scores of instances by class."""
    found = model(images, samples, mode="predict")
    maps = {}
    for kind in ("pred_panoptic_seg", "pred_sem_seg"):
        maps[kind] = torch.cat([sample.get(kind).sem_seg for sample in found])
    # The best instance of each class; the order of others may change where two are as likely.
    for index, sample in enumerate(found):
        for label in sample.pred_instances.labels.unique().tolist():
            best = (sample.pred_instances.labels == label).nonzero()[0, 0]
            maps[f"mask {index} {label}"] = sample.pred_instances.masks[best]
            maps[f"score {index} {label}"] = sample.pred_instances.scores[best]
    return maps


def assert_same_outputs(found: dict[str, Tensor], expected: dict[str, Tensor], dtype: torch.dtype) -> None:
    loss, pixels = TOLERANCES[dtype]
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if name.startswith("score"):
            torch.testing.assert_close(found[name].float(), value, rtol=2 * loss, atol=loss, msg=name)
        else:
            assert (found[name] != value).float().mean() <= pixels, name


@pytest.mark.parametrize("resized", [False, True], ids=["plain", "resized"])
@pytest.mark.parametrize("dtype", LOW)
def test_segments_and_instances_under_autocast_are_those_of_fp32_but_for_near_ties(dtype, resized):
    model = tiny_detectors.build_detector(test_cfg=PANOPTIC)
    expected = outputs(model, *panoptic_batch(resized))
    assert len(expected["pred_panoptic_seg"].unique()) > 2
    with torch.autocast("cpu", dtype=dtype):
        found = outputs(model, *panoptic_batch(resized))
    assert_same_outputs(found, expected, dtype)


def test_mmengines_option_fp16_of_a_test_loop_works_with_our_models():
    for model, (images, samples) in (
        (segmentor(), semantic_batch(True)),
        (tiny_detectors.build_detector(test_cfg=PANOPTIC), panoptic_batch(True)),
    ):
        with torch.no_grad(), autocast(enabled=True):
            found = model(images, samples, mode="predict")
        assert len(found) == 2


MODELS = {
    **{kind: (lambda kind=kind: segmentor(kind), semantic_batch) for kind in HEADS},
    "PerPixelBaselineHead with mask losses": (
        lambda: segmentor("PerPixelBaselineHead", mask_losses=[dict(type="mmmaskformer.DiceLoss")]),
        semantic_batch,
    ),
    "panoptic head, by box, with encoder": (
        lambda: tiny_detectors.build_detector(
            tiny_detectors.head_config(
                pixel_decoder=ENCODER,
                predict_boxes=True,
                mask_padding=True,
                criterion=dict(box_losses=[dict(type="mmmaskformer.BoxL1Loss"), dict(type="mmmaskformer.GIoULoss")]),
            ),
            test_cfg=PANOPTIC,
        ),
        panoptic_batch,
    ),
}


def training_step(model: nn.Module, images: Tensor, samples: list) -> Tensor:
    """Sum of the losses, with gradients left in the parameters."""
    losses = model(images, samples, mode="loss")
    total = sum(value for name, value in losses.items() if "loss" in name)
    total.backward()
    return total.detach()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_any_precision_trains_and_predicts_as_in_fp32(name, dtype):
    build, batch = MODELS[name]
    full = build()
    low = deepcopy(full).to(dtype)
    for model in (full, low):
        for norm in model.modules():
            if isinstance(norm, nn.modules.batchnorm._BatchNorm):
                norm.eval()
    expected, found = training_step(full, *batch()), training_step(low, *batch())
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(found.float(), expected, rtol=TOLERANCES[dtype][0], atol=0)
    for parameter in low.parameters():
        assert parameter.grad is not None and parameter.grad.dtype == dtype and parameter.grad.isfinite().all()
    if name.startswith("panoptic"):
        assert_same_outputs(outputs(low, *batch()), outputs(full, *batch()), dtype)
    else:
        different = labels(low, *batch()) != labels(full, *batch())
        assert different.float().mean() <= TOLERANCES[dtype][1]


@pytest.mark.parametrize("dtype", LOW)
def test_mask_losses_of_a_per_pixel_head_are_in_fp32_under_autocast(dtype):
    model = segmentor("PerPixelBaselineHead", mask_losses=[dict(type="mmmaskformer.DiceLoss")])
    maps, truth = model.decode_head.semantic_targets(semantic_batch()[1])
    logits = [torch.randn(2, tiny_models.CLASSES, 16, 16).to(dtype)]
    expected = model.decode_head.class_mask_losses([logits[0].float()], truth)
    with torch.autocast("cpu", dtype=dtype):
        found = model.decode_head.class_mask_losses(logits, truth)
    assert torch.equal(found, expected)


def test_losses_of_double_predictions_are_those_of_doubles():
    """The same numbers in fp32 differ by its rounding, so that a loss computed in fp32 would show."""
    single, truth = predictions(), targets()
    double = MaskPredictions.from_embeddings(*(x.detach().double().requires_grad_() for x in (
        single.class_logits, single.mask_embeds, single.pixel_embeds
    )))  # fmt: skip
    losses = MaskCriterion(6)(double, truth)
    assert {value.dtype for value in losses.values()} == {torch.float64}
    for index, leaf in enumerate((double.class_logits, double.mask_embeds, double.pixel_embeds)):
        (gradient,) = torch.autograd.grad(sum(losses.values()), leaf, retain_graph=True)
        direction = torch.randn(leaf.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(index))
        moved = []
        for sign in (1, -1):
            changed = [double.class_logits, double.mask_embeds, double.pixel_embeds]
            changed[index] = leaf.detach() + sign * 1e-6 * direction
            moved.append(
                float(sum(MaskCriterion(6)(MaskPredictions.from_embeddings(*changed), truth).values()).detach())
            )
        slope = (moved[0] - moved[1]) / 2e-6
        assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-6, abs=1e-8)
