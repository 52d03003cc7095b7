"""Models of the release without reference numbers: R101c's backbone and PerPixelBaseline, computed by its names."""

import pickle
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from converting import convert
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmseg.registry import MODELS
from release import Release, assert_close
from torch import Tensor, nn

from mmmaskformer.checkpoint.convert import ConversionOptions, to_ours
from mmmaskformer.checkpoint.formats import Checkpoint

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
MULTI_GRID = (1, 2, 4)  # R101c's dilations in the last stage


def release_backbone(weights: dict[str, Tensor], images: Tensor) -> list[Tensor]:
    """Outputs of the release's ResNet with either stem: res2 to res5."""

    def conv(name: str, x: Tensor, **options: int) -> Tensor:
        norm = [weights[f"backbone.{name}.norm.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(F.conv2d(x, weights[f"backbone.{name}.weight"], **options), *norm)

    deeplab = "backbone.stem.conv3.weight" in weights
    if deeplab:
        x = images
        for index, stride in enumerate((2, 1, 1), 1):
            x = conv(f"stem.conv{index}", x, stride=stride, padding=1).relu()
    else:
        x = conv("stem.conv1", images, stride=2, padding=3).relu()
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    outputs = []
    for stage, blocks in zip((2, 3, 4, 5), (3, 4, 6, 3)):
        for block in range(blocks):
            name = f"res{stage}.{block}"
            stride = 2 if block == 0 and stage > 2 else 1
            dilation = MULTI_GRID[block] if deeplab and stage == 5 else 1
            shortcut = conv(f"{name}.shortcut", x, stride=stride) if block == 0 else x
            x = conv(f"{name}.conv1", x).relu()
            x = conv(f"{name}.conv2", x, stride=stride, padding=dilation, dilation=dilation).relu()
            x = (conv(f"{name}.conv3", x) + shortcut).relu()
        outputs.append(x)
    return outputs


def deeplab_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same model with three random convolutions for a stem."""
    found = {key: value for key, value in weights.items() if not key.startswith("backbone.stem.")}
    width = weights["backbone.stem.conv1.weight"].shape[0]
    for index, (inputs, outputs) in enumerate([(3, width // 2), (width // 2, width // 2), (width // 2, width)], 1):
        name = f"backbone.stem.conv{index}"
        found[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3) / 3
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.norm.{part}"] = torch.rand(outputs) + 0.5
    return found


def build(weights: dict[str, Tensor]) -> nn.Module:
    converted = to_ours(Checkpoint(Path("model.pkl"), weights), ConversionOptions(num_heads=4))
    init_default_scope(converted.config.default_scope)
    model = MODELS.build(converted.config.model)
    model.load_state_dict(converted.weights, strict=False)
    return model.eval()


@pytest.fixture
def release(shared_data: Path) -> Release:
    torch.manual_seed(0)
    return Release(shared_data, "semantic_r50")


@torch.no_grad()
def test_a_deeplab_stem_with_its_dilations_gives_the_features_of_the_release(release: Release) -> None:
    basic = release.numbers["state_dict"]
    for ours, theirs in zip(release_backbone(basic, release.images), release.features):
        assert_close(ours, theirs)  # so it is the release's backbone that is computed here

    weights = deeplab_weights(basic)
    features = build(weights).extract_feat(release.images)
    assert len(features) == 4
    for ours, theirs in zip(features, release_backbone(weights, release.images)):
        assert_close(ours, theirs)


@torch.no_grad()
def test_a_per_pixel_baseline_is_the_pixel_decoder_and_a_convolution(release: Release) -> None:
    weights = release.numbers["state_dict"]
    plain = {key: value for key, value in weights.items() if ".predictor." not in key and "criterion" not in key}
    plain["sem_seg_head.predictor.weight"] = torch.randn(7, 32, 1, 1)
    plain["sem_seg_head.predictor.bias"] = torch.randn(7)
    ours = build(plain)
    semantic = build(weights)  # its pixel embeddings agree with the release's
    pixels = semantic.decode_head(semantic.extract_feat(release.images)).pixel_embeds
    theirs = F.conv2d(pixels, plain["sem_seg_head.predictor.weight"], plain["sem_seg_head.predictor.bias"])
    assert_close(ours.decode_head(ours.extract_feat(release.images)), theirs)


def test_detectron2s_r103_becomes_the_file_that_r101c_configs_start_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    backbone = Config.fromfile(CONFIGS / "maskformer" / "maskformer_r101c_ade20k.py").model.backbone
    assert backbone.init_cfg.checkpoint == "pretrained/R-103.pth"
    theirs = {}
    torch.manual_seed(0)
    for index, (inputs, outputs) in enumerate([(3, 64), (64, 64), (64, 128)], 1):
        theirs[f"stem.conv{index}.weight"] = torch.randn(outputs, inputs, 3, 3)
        theirs.update(norm(f"stem.conv{index}", outputs))
    channels = 128
    for stage, blocks, width in ((2, 3, 64), (3, 4, 128), (4, 23, 256), (5, 3, 512)):
        for block in range(blocks):
            name, sizes = f"res{stage}.{block}", [(width, channels, 1), (width, width, 3), (4 * width, width, 1)]
            for index, (outputs, inputs, size) in enumerate(sizes, 1):
                theirs[f"{name}.conv{index}.weight"] = torch.randn(outputs, inputs, size, size)
                theirs.update(norm(f"{name}.conv{index}", outputs))
            if block == 0:
                theirs[f"{name}.shortcut.weight"] = torch.randn(4 * width, channels, 1, 1)
                theirs.update(norm(f"{name}.shortcut", 4 * width))
            channels = 4 * width
    theirs["stem.fc.weight"] = torch.randn(1000, 2048)
    theirs["stem.fc.bias"] = torch.randn(1000)
    save(theirs, tmp_path / "R-103.pkl")
    convert(monkeypatch, tmp_path / "R-103.pkl", tmp_path / "pretrained" / "R-103.pth")
    assert "2  (fc|head|stem.fc).*" in capsys.readouterr().out

    monkeypatch.chdir(tmp_path)
    model = MODELS.build(ConfigDict(backbone, _scope_="mmseg"))
    model.init_weights()
    loaded = model.state_dict()
    assert torch.equal(loaded["stem.3.weight"], theirs["stem.conv2.weight"])
    assert torch.equal(loaded["layer3.22.bn3.running_var"], theirs["res4.22.conv3.norm.running_var"])
    stored = load_checkpoint(model, "pretrained/R-103.pth", strict=True)["state_dict"]
    assert stored.keys() == {key for key in loaded if not key.endswith("num_batches_tracked")}


def norm(name: str, channels: int) -> dict[str, Tensor]:
    return {f"{name}.norm.{part}": torch.rand(channels) for part in ("weight", "bias", "running_mean", "running_var")}


def save(weights: dict[str, Tensor], path: Path) -> None:
    """As Detectron2's own files: arrays in a pickle."""
    arrays = {key: value.numpy() for key, value in weights.items()}
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "torchvision", "matching_heuristics": True}))
