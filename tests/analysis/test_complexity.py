"""Counting parameters and multiply-adds, against the arithmetic and the paper's Table 1."""

from pathlib import Path

import pytest
import torch.nn.functional as F
from mmengine.config import Config
from torch import nn

from mmmaskformer import runs
from mmmaskformer.analysis.complexity import build_on_meta, complexity, input_size
from mmmaskformer.errors import UserError

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
DEEPLAB = "mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb4-160k_ade20k-512x512.py"
UPERNET = "mmseg::swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py"


class AttentionSegmentor(nn.Module):
    """A convolution, a projection and attention over its pixels: multiply-adds that can be written down."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 4, stride=4, bias=False)
        self.projection = nn.Linear(8, 24, bias=False)

    def encode_decode(self, image, metas):
        pixels = self.convolution(image).flatten(2).transpose(1, 2)
        query, key, value = self.projection(pixels).chunk(3, dim=-1)
        return F.scaled_dot_product_attention(query, key, value)


def test_convolutions_matrix_products_and_attention_are_counted_once_a_multiply_add():
    cfg = Config(dict(model=dict(type=AttentionSegmentor), default_scope="mmseg"))
    cost = complexity(cfg, (32, 48))
    pixels = 8 * 12
    assert cost.multiply_adds == pixels * 8 * 3 * 16 + pixels * 8 * 24 + 2 * pixels * pixels * 8
    assert cost.multiply_adds_as_run == cost.multiply_adds
    assert cost.parameters == 8 * 3 * 16 + 8 * 24


@pytest.mark.parametrize(
    "config, parameters, flops",
    [
        (CONFIGS / "maskformer" / "maskformer_r50_ade20k.py", 41, 53),
        (CONFIGS / "maskformer" / "maskformer_swin-t_ade20k.py", 42, 55),
        (CONFIGS / "maskformer" / "maskformer_swin-l_ade20k.py", 212, 375),
        (DEEPLAB, 44, 177),
        (UPERNET, 60, 236),
    ],
    ids=lambda value: Path(str(value)).stem[:32],
)
def test_parameters_and_flops_are_those_of_table_1(config, parameters, flops):
    cfg = runs.load_config(config)
    cost = complexity(cfg, input_size(cfg))
    assert cost.parameters / 1e6 == pytest.approx(parameters, abs=0.6)
    assert cost.multiply_adds / 1e9 == pytest.approx(flops, rel=0.03)


def test_our_prediction_saves_the_embeddings_convolution_where_there_are_few_queries():
    cost = complexity(runs.load_config(CONFIGS / "maskformer" / "maskformer_r50_ade20k.py"), (512, 512))
    pixels = 128 * 128
    embeddings = pixels * 256 * 256 * 9 + pixels * 100 * 256
    kernels = pixels * 100 * 256 * 9 + 100 * 256 * 256 * 9
    assert cost.multiply_adds - cost.multiply_adds_as_run == pytest.approx(embeddings - kernels, rel=1e-3)


def test_the_size_is_the_recipes_crop_or_what_testing_makes_of_a_photo():
    assert input_size(runs.load_config(CONFIGS / "maskformer" / "maskformer_r101_cityscapes.py")) == (512, 1024)
    detector = runs.load_config("mmdet::maskformer/maskformer_r50_ms-16xb1-75e_coco.py")
    assert input_size(detector) == (800, 1067)
    detector.test_dataloader.dataset = dict(type="ConcatDataset", datasets=[detector.test_dataloader.dataset])
    assert input_size(detector) == (800, 1067)
    detector.pop("test_dataloader")
    with pytest.raises(UserError, match="give --size"):
        input_size(detector)


def test_a_large_model_takes_no_memory():
    model = build_on_meta(runs.load_config(CONFIGS / "maskformer" / "maskformer_swin-l_ade20k.py"))
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
