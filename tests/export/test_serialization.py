"""What is asked before a graph is traced, which for some backbones would not end."""

import pytest
import tiny_models
import torch

from mmmaskformer.errors import UserError
from mmmaskformer.export import InputShape, graph_of
from mmmaskformer.export.serialization import trace

NORMALIZE = dict(mean=[127.5] * 3, std=[64.0] * 3, bgr_to_rgb=True)


def segmentor(backbone: dict, channels: list[int], divisor: int) -> torch.nn.Module:
    preprocessor = dict(type="mmseg.SegDataPreProcessor", size=(64, 64), test_cfg=dict(size_divisor=divisor))
    head = tiny_models.head_config(in_channels=channels)
    return tiny_models.build_segmentor(head=head, backbone=backbone, data_preprocessor={**preprocessor, **NORMALIZE})


@pytest.mark.parametrize("shape", [InputShape(), InputShape(batch=1), InputShape(size=(64, 96))])
def test_windows_want_a_fixed_size_and_batch(shape: InputShape) -> None:
    swin = dict(type="mmseg.SwinTransformer", embed_dims=4, depths=(1,) * 4, num_heads=(1,) * 4, window_size=4)
    graph = graph_of(segmentor(swin, [4, 8, 16, 32], 32))
    with pytest.raises(UserError, match="SwinTransformer cuts .* fix both with --size and --batch-size"):
        trace(graph, shape)


def test_same_padding_wants_images_padded_to_its_strides() -> None:
    timm = dict(type="mmmaskformer.TimmBackbone", model_name="tf_efficientnet_lite0")
    graph = graph_of(segmentor(timm, [24, 40, 112, 320], 16))
    with pytest.raises(UserError, match="padded to multiples of 16, .* only with multiples of 32"):
        trace(graph, InputShape())
