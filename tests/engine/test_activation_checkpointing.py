"""MMEngine's activation checkpointing with our models: memory is saved, gradients are not lost."""

from collections.abc import Sequence
from copy import deepcopy

import pytest
import tiny_detectors
import tiny_models
import torch
from mmengine.runner import turn_on_activation_checkpointing
from torch import Tensor, nn

DROPOUT = {**tiny_models.DECODER, "dropout": 0.1}
ENCODER = dict(type="mmmaskformer.TransformerEncoderPixelDecoder", norm_groups=4, encoder=DROPOUT)


def segmentor(kind: str = "MaskFormerHead") -> nn.Module:
    changes = {} if kind == "PerPixelBaselineHead" else dict(transformer_decoder=DROPOUT)
    return tiny_models.build_segmentor(head=tiny_models.head_config(kind, **changes)).train()


def detector() -> nn.Module:
    head = tiny_detectors.head_config(pixel_decoder=ENCODER, transformer_decoder=DROPOUT, mask_padding=True)
    return tiny_detectors.build_detector(head).train()


def batch(model: nn.Module) -> tuple[Tensor, list]:
    if hasattr(model, "panoptic_head"):
        samples = tiny_detectors.samples([(64, 96), (48, 64)])
        return tiny_detectors.images(samples), samples
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return images, tiny_models.samples(tiny_models.label_maps())


def step(model: nn.Module) -> dict[str, Tensor]:
    """Losses, the gradient of every parameter, and the buffers after a training step."""
    torch.manual_seed(7)  # dropout's
    losses = {name: value for name, value in model(*batch(model), mode="loss").items() if "loss" in name}
    sum(losses.values()).backward()
    gradients = {f"gradient of {name}": parameter.grad for name, parameter in model.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    return {**losses, **gradients, **dict(model.named_buffers())}


def calls(module: nn.Module) -> list[int]:
    """Grows by one with each forward pass of the module."""
    counted: list[int] = []
    module.register_forward_pre_hook(lambda *_: counted.append(1))
    return counted


MODELS = {
    "segmentor": segmentor,
    "detector": detector,
    "per-pixel baseline": lambda: segmentor("PerPixelBaselineHead"),
}


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("segmentor", "backbone"),
        ("segmentor", "backbone.layer2"),
        ("segmentor", "decode_head"),
        ("segmentor", "decode_head.pixel_decoder"),
        ("segmentor", "decode_head.transformer_decoder"),
        ("segmentor", ["backbone", "decode_head", "decode_head.pixel_decoder"]),
        ("detector", "backbone"),
        ("detector", "panoptic_head"),
        ("detector", "panoptic_head.pixel_decoder"),
        ("detector", ["panoptic_head.pixel_decoder.encoder", "panoptic_head.transformer_decoder"]),
        ("per-pixel baseline", ["backbone", "decode_head"]),
    ],
)
def test_a_step_is_the_same_and_the_module_runs_again_in_the_backward_pass(model: str, names: str | Sequence[str]):
    plain = MODELS[model]()
    checkpointed = deepcopy(plain)
    turn_on_activation_checkpointing(checkpointed, names)
    first = checkpointed.get_submodule(names if isinstance(names, str) else names[0])
    counted = calls(next(child for child in first.modules() if isinstance(child, nn.Conv2d | nn.LayerNorm)))
    expected, found = step(plain), step(checkpointed)
    assert len(counted) > 1
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(("model", "name"), [("segmentor", "decode_head"), ("detector", "panoptic_head")])
def test_a_checkpointed_head_predicts(model: str, name: str):
    plain = MODELS[model]().eval()
    checkpointed = deepcopy(plain)
    turn_on_activation_checkpointing(checkpointed, name)
    with torch.no_grad():
        expected, found = (net(*batch(net), mode="tensor") for net in (plain, checkpointed))
        samples = checkpointed(*batch(checkpointed), mode="predict")
    assert len(samples) == 2
    if model == "detector":
        for one, other in zip(expected, found):
            torch.testing.assert_close(one, other)
