"""Mixed precision on the CPU."""

import torch
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from mmmaskformer.engine import CPUAmpOptimWrapper


def test_the_forward_pass_is_in_bf16_and_the_parameters_stay_fp32() -> None:
    model = nn.Linear(4, 2)
    before = model.weight.detach().clone()
    wrapper = OPTIM_WRAPPERS.build(
        {"type": "mmmaskformer.CPUAmpOptimWrapper", "optimizer": torch.optim.SGD(model.parameters(), lr=0.5)}
    )
    assert isinstance(wrapper, CPUAmpOptimWrapper)
    with wrapper.optim_context(model):
        output = model(torch.ones(3, 4))
    wrapper.update_params(output.float().sum())
    assert output.dtype == torch.bfloat16
    assert model.weight.dtype == torch.float32
    torch.testing.assert_close(model.weight.detach(), before - 1.5)


def test_evaluation_outside_the_context_is_in_fp32() -> None:
    model = nn.Linear(4, 2)
    wrapper = CPUAmpOptimWrapper(torch.optim.SGD(model.parameters(), lr=0.5))
    with wrapper.optim_context(model):
        pass
    assert model(torch.ones(3, 4)).dtype == torch.float32
