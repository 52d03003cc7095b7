"""ImageNet classifiers: the converted backbone computes what the classifier does."""

from pathlib import Path

import pytest
import timm
import torch
import torchvision
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmmaskformer.checkpoint import from_classifier
from mmmaskformer.checkpoint.architecture import describe_backbone
from mmmaskformer.checkpoint.detectron2 import BLOCKS, DEEPLAB_STEM
from mmmaskformer.checkpoint.keymap import KeyMap
from mmmaskformer.errors import UserError

IMAGE = (1, 3, 256, 256)


def build(weights: dict[str, Tensor]) -> nn.Module:
    """mmseg's backbone with every one of the weights; only what a classifier has not may be missing."""
    backbone = MODELS.build(ConfigDict(describe_backbone(weights, prefix=""), _scope_="mmseg"))
    missing, unexpected = backbone.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(key.startswith("norm") or key.endswith(("tracked", "index")) for key in missing), missing
    backbone.eval()  # gives nothing back
    return backbone


def randomize(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if value.is_floating_point() and value.dim() == 1:
                value.uniform_(0.5, 1.5)
            elif "relative_position_bias" in name:
                value.normal_()
    return model.eval()


@pytest.mark.parametrize("merging_ends_the_stage", [False, True], ids=["timm", "original"])
def test_swin(merging_ends_the_stage: bool) -> None:
    # Large enough for windows in every stage: timm shifts none that fill the map, mmseg and the original do.
    small = dict(img_size=256, window_size=4, embed_dim=16, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8))
    theirs = randomize(timm.create_model("swin_tiny_patch4_window7_224", num_classes=5, **small))
    state = theirs.state_dict()
    if merging_ends_the_stage:  # as in Microsoft's files
        for stage in (1, 2, 3):
            for key in [key for key in state if key.startswith(f"layers.{stage}.downsample.")]:
                state[key.replace(f"layers.{stage}", f"layers.{stage - 1}", 1)] = state.pop(key)
    conversion = from_classifier(state)
    assert {key for key, _ in conversion.dropped} == {"(fc|head|stem.fc).*", "norm.*"}
    image = torch.randn(IMAGE)
    with torch.no_grad():
        features = theirs.forward_intermediates(image, intermediates_only=True)
        for ours, other in zip(build(conversion.weights)(image), features):
            # mmseg's gives each stage out through a norm, which is the identity's at the beginning.
            other = nn.functional.layer_norm(other.permute(0, 2, 3, 1), other.shape[1:2]).permute(0, 3, 1, 2)
            torch.testing.assert_close(ours, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("source", ["torchvision", "timm"])
def test_resnet(source: str) -> None:
    theirs = randomize(torchvision.models.resnet18() if source == "torchvision" else timm.create_model("resnet18"))
    conversion = from_classifier(theirs.state_dict())
    image = torch.randn(IMAGE)
    with torch.no_grad():
        x = theirs.maxpool(nn.functional.relu(theirs.bn1(theirs.conv1(image))))
        for index, ours in enumerate(build(conversion.weights)(image), 1):
            x = getattr(theirs, f"layer{index}")(x)
            torch.testing.assert_close(ours, x, atol=1e-4, rtol=1e-4)


def test_detectron2s_r103_has_the_names_of_mmsegs_resnet_v1c() -> None:
    with torch.device("meta"):
        ours = MODELS.build(ConfigDict(type="ResNetV1c", depth=101, stem_channels=128, _scope_="mmseg")).state_dict()
    table = KeyMap("Detectron2", DEEPLAB_STEM + BLOCKS, our_extras=[(".*num_batches_tracked", "not theirs")])
    theirs = table.to_theirs(ours).weights
    theirs["stem.fc.weight"] = torch.ones(1)
    converted = from_classifier(theirs)
    assert converted.weights.keys() == {key for key in ours if not key.endswith("num_batches_tracked")}
    assert describe_backbone(converted.weights, prefix="") == dict(
        type="ResNet", depth=101, base_channels=64, stem_channels=128, deep_stem=True
    )


def test_what_is_neither_is_refused_with_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"conv_stem.weight, .* names of no model that can be converted: known are"):
        from_classifier(timm.create_model("tf_efficientnet_lite0").state_dict())
