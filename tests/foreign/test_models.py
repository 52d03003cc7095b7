"""Models of stored configs: parts that are known, with words and numbers that can do no harm."""

from typing import Any

import pytest

from mmmaskformer.errors import UserError
from mmmaskformer.foreign.models import CheckedModel

HEAD = dict(type="mmmaskformer.MaskFormerHead", num_classes=3)


def model(**changes: Any) -> dict:
    backbone = dict(type="ResNet", depth=18, style="pytorch", norm_cfg=dict(type="BN"))
    return dict(type="EncoderDecoder", backbone=backbone, decode_head=dict(HEAD)) | changes


def test_a_sound_model_stays_as_it_is() -> None:
    sound = model(test_cfg=dict(mode="slide", crop_size=(64, 64)), neck=None, auxiliary_head=[dict(type="FCNHead")])
    assert CheckedModel("mmseg")(sound, "model") == sound


def test_initial_weights_are_left_out_wherever_they_stand() -> None:
    weights = dict(type="Pretrained", checkpoint="https://example.invalid/x.pth")
    check = CheckedModel("mmseg")
    backbone = dict(type="ResNet", depth=18, init_cfg=weights, pretrained="torchvision://resnet18")
    found = check(model(backbone=backbone, init_cfg=[weights], pretrained="/etc/passwd"), "model")
    assert found == model(backbone=dict(type="ResNet", depth=18))
    assert sorted(check.left_out) == ["init_cfg", "pretrained"]


def test_a_class_that_fetches_weights_by_default_is_kept_from_it() -> None:
    pytest.importorskip("timm")
    found = CheckedModel("mmseg")(dict(type="TIMMBackbone", model_name="resnet18"), "model")
    assert found["pretrained"] is False
    ours = dict(type="mmmaskformer.TimmBackbone", model_name="convnext_tiny.fb_in22k", pretrained=True)
    assert CheckedModel("mmseg")(ours, "model") == dict(type=ours["type"], model_name=ours["model_name"])


@pytest.mark.parametrize(
    "part",
    [
        dict(type="subprocess.check_call", args=["touch", "was_here"]),
        dict(type="os.system"),
        dict(type="VPDNot"),
        dict(type=None),
        dict(type=["ResNet"]),
        dict(type="CityscapesDataset"),
        dict(type="ResNet", _scope_="os"),
        dict(type="CrossEntropyLoss", class_weight="https://example.invalid/x.pkl"),
        dict(type="CrossEntropyLoss", class_weight="x.pkl"),
        dict(type="CrossEntropyLoss", class_weight="pkl"),
        dict(type="mmmaskformer.TimmBackbone", model_name="hf-hub:a/b"),
        dict(type="mmmaskformer.TimmBackbone", model_name="local-dir:/x"),
        dict(type="mmmaskformer.TimmBackbone", model_name="no_such_model"),
        dict(type="mmmaskformer.TimmBackbone", model_name="resnet18", model_args=dict(file="/etc/passwd")),
        dict(type="ResNet", depth=10**7),
        dict(type="ResNet", depth=1e300),
        dict(type="SegDataPreProcessor", mean=[0.0] * 3, std=[1.0, 0.0, 1.0]),
        dict(type="ResNet", style="import os"),
    ],
    ids=lambda part: str(part["type"]),
)
@pytest.mark.parametrize("deep", [False, True])
def test_what_could_do_harm_is_refused_with_its_place(part: dict, deep: bool) -> None:
    found = model(neck=[dict(type="FPN", anything=(part,))]) if deep else model(backbone=part)
    place = r"model\.neck\[0\]\.anything\[0\]" if deep else r"model\.backbone"
    with pytest.raises(UserError, match=rf"^{place}\.[\w.\[\]]+ is .{{1,200}}$"):
        CheckedModel("mmseg")(found, "model")


@pytest.mark.parametrize("found", [None, [], "EncoderDecoder", {}, dict(backbone=1), {1: 2}])
def test_what_is_no_model_is_refused(found: Any) -> None:
    with pytest.raises(UserError, match="^model"):
        CheckedModel("mmseg")(found, "model")
