"""A GPU gives the CPU's losses, gradients and predictions; in mixed precision nearly, and finite."""

from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest
import tiny_detectors
import tiny_models
import torch
from mmengine.optim import AmpOptimWrapper
from torch import Tensor, nn

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
GPU = "cuda"
COSTS = [dict(type=f"mmmaskformer.{name}") for name in ("ClassCost", "BoxL1Cost", "GIoUCost")]
BY_BOX = dict(
    assigner=dict(type="mmmaskformer.HungarianAssigner", costs=COSTS),
    box_losses=[dict(type="mmmaskformer.BoxL1Loss"), dict(type="mmmaskformer.GIoULoss")],
)
EVERYTHING = dict(panoptic_on=True, instance_on=True, semantic_on=True, object_mask_thr=0.3, iou_thr=0.3)
Batch = tuple[nn.Module, Tensor, list]


@pytest.fixture(autouse=True)
def full_precision() -> Iterator[None]:
    """TF32, cuDNN's default for convolutions, has three decimals; matrix products are without it by default."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def semantic(kind: str, segmentor: str = tiny_models.SEGMENTORS[0], **changes: object) -> Callable[[], Batch]:
    def build() -> Batch:
        model = tiny_models.build_segmentor(segmentor, head=tiny_models.head_config(kind, **changes))
        images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
        return model, images, tiny_models.samples(tiny_models.label_maps())

    return build


def panoptic(truth: str = "panoptic", **changes: object) -> Callable[[], Batch]:
    def build() -> Batch:
        model = tiny_detectors.build_detector(tiny_detectors.head_config(**changes), test_cfg=EVERYTHING)
        samples = tiny_detectors.samples([(64, 96), (96, 64)], truth=truth)
        return model, tiny_detectors.images(samples), samples

    return build


MODELS = {
    "semantic": semantic("MaskFormerHead"),
    "fixed": semantic(
        "MaskFormerHead",
        num_queries=tiny_models.CLASSES,
        criterion=dict(assigner=dict(type="mmmaskformer.FixedAssigner")),
    ),
    "mmseg's segmentor": semantic("MaskFormerHead", tiny_models.SEGMENTORS[1]),
    "per-pixel baseline": semantic("PerPixelBaselineHead"),
    "per-pixel baseline+": semantic("PerPixelBaselinePlusHead"),
    "fast semantic": semantic("MaskFormerHead", **tiny_models.FAST),
    "panoptic": panoptic(),
    "fast panoptic": panoptic(**tiny_models.FAST),
    "instances": panoptic("instance"),
    "by box": panoptic(predict_boxes=True, criterion=BY_BOX),
}
both = pytest.mark.parametrize("build", [pytest.param(build, id=name) for name, build in MODELS.items()])


def on_gpu(model: nn.Module, images: Tensor, samples: list) -> Batch:
    return deepcopy(model).to(GPU), images.to(GPU), [sample.to(GPU) for sample in samples]


def step(model: nn.Module, images: Tensor, samples: list) -> dict[str, Tensor]:
    """Losses and gradients of one training step."""
    losses = model.train()(images, samples, mode="loss")
    losses = {name: loss for name, loss in losses.items() if "loss" in name}
    sum(losses.values()).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name: value.detach().cpu() for name, value in {**losses, **gradients}.items()}


def close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance * scale + 1e-6)


@both
def test_losses_and_gradients_are_those_of_the_cpu(build: Callable[[], Batch]) -> None:
    batch = build()
    found, expected = step(*on_gpu(*batch)), step(*batch)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        close(found[name], value, 1e-3)


@both
def test_predictions_are_those_of_the_cpu(build: Callable[[], Batch]) -> None:
    batch = build()
    found, expected = (predictions(*one) for one in (on_gpu(*batch), batch))
    assert len(found) == len(expected) >= 2
    for one, other in zip(found, expected):
        assert one.shape == other.shape
        if other.is_floating_point():
            close(one, other, 1e-3)
        else:
            assert (one != other).float().mean() <= 1e-3


@torch.no_grad()
def predictions(model: nn.Module, images: Tensor, samples: list) -> list[Tensor]:
    found = model.eval()(images, samples, mode="predict")
    fields = [field for sample in found for name, field in sample.all_items() if name.startswith("pred")]
    return [value.cpu() for field in fields for _, value in field.all_items() if isinstance(value, Tensor)]


@both
def test_mixed_precision_trains_with_nearly_the_same_losses(build: Callable[[], Batch]) -> None:
    batch = build()
    expected = step(*batch)
    model, images, samples = on_gpu(*batch)
    # No scaling: the opinionated queries of a tiny model have gradients up to 700, a tenth of a scaled fp16 each.
    wrapper = AmpOptimWrapper(loss_scale=1.0, optimizer=torch.optim.AdamW(model.parameters(), lr=1e-3))
    before = deepcopy(list(model.parameters()))
    with wrapper.optim_context(model):
        losses = model.train()(images, samples, mode="loss")
    loss, values = model.parse_losses(losses)
    for name, value in values.items():
        if name in expected:
            assert value.dtype == torch.float32
            close(value.detach().cpu(), expected[name], 0.1)
    wrapper.update_params(loss)
    assert all(p.isfinite().all() for p in model.parameters())
    assert any((p != old).any() for p, old in zip(model.parameters(), before))
