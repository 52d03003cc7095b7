"""torch.compile leaves losses, gradients and predictions as they are, in training and inference."""

from collections.abc import Callable
from typing import Any

import pytest
import tiny_detectors
import tiny_models
import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

# Traces and differentiates as Inductor does, without its minutes in a C++ compiler.
BACKEND = "aot_eager"
EVERYTHING = dict(panoptic_on=True, instance_on=True, semantic_on=True, object_mask_thr=0.3, iou_thr=0.3)
PREDICTED = [
    ("pred_sem_seg", "data"),
    ("pred_sem_seg", "sem_seg"),
    ("pred_panoptic_seg", "sem_seg"),
    ("pred_instances", "masks"),
]


class Backbone(nn.Module):
    """Two strided convolutions: what is compiled of a backbone is not ours."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 4, stride=4)
        self.second = nn.Conv2d(4, 8, 2, stride=2)

    def forward(self, images: Tensor) -> list[Tensor]:
        fine = self.first(images).relu()
        return [fine, self.second(fine)]


@pytest.fixture(autouse=True)
def backbone() -> Any:
    MODELS.register_module(name="CompiledTestBackbone", module=Backbone, force=True)
    yield
    MODELS.module_dict.pop("CompiledTestBackbone")
    torch._dynamo.reset()


def semantic() -> tuple[nn.Module, Callable]:
    head = tiny_models.head_config(in_channels=[4, 8], strides=(4, 8))
    model = tiny_models.build_segmentor(head=head, backbone=dict(type="CompiledTestBackbone"))

    def batch(seed: int) -> tuple[Tensor, list]:
        maps = tiny_models.label_maps() if seed else tiny_models.label_maps()[:, :, :1].expand(-1, -1, 64).contiguous()
        return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed)), tiny_models.samples(maps)

    return model, batch


def fast_panoptic() -> tuple[nn.Module, Callable]:
    head = tiny_detectors.head_config(in_channels=[4, 8], **tiny_models.FAST)
    head["transformer_decoder"] = dict(head["transformer_decoder"], num_scales=1)
    model = tiny_detectors.build_detector(head, backbone=dict(type="CompiledTestBackbone"), test_cfg=EVERYTHING)

    def batch(_: int) -> tuple[Tensor, list]:
        samples = tiny_detectors.samples([(64, 96)] * 2)
        return tiny_detectors.images(samples), samples

    return model, batch


def step(model: nn.Module, forward: Callable, images: Tensor, samples: list) -> dict[str, Tensor]:
    """Losses and gradients of one training step."""
    model.train().zero_grad()
    losses = forward(images, samples, mode="loss")
    sum(losses.values()).backward()
    return {**losses, **{name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}}


def predictions(model: nn.Module, forward: Callable, images: Tensor, samples: list) -> list[Tensor]:
    with torch.no_grad():
        found = forward(images, samples, mode="predict")
    fields = [(sample.get(kind), name) for sample in found for kind, name in PREDICTED if kind in sample]
    return [getattr(field, name).clone() for field, name in fields if name in field]


@pytest.mark.parametrize(("build", "seeds"), [(semantic, (0, 1)), (fast_panoptic, (1,))])
def test_a_compiled_model_trains_and_predicts_as_before(build: Callable, seeds: tuple[int, ...]) -> None:
    model, batch = build()
    compiled = torch.compile(model.forward, backend=BACKEND)
    for seed in seeds:  # other numbers of segments
        expected, found = (step(model, forward, *batch(seed)) for forward in (model.forward, compiled))
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5 * max(1, float(value.abs().max())))
    model.eval()
    expected, found = (predictions(model, forward, *batch(1)) for forward in (model.forward, compiled))
    assert len(expected) >= 2
    assert all((one != other).float().mean() <= 1e-4 for one, other in zip(expected, found))
