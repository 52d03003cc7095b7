"""The converter on files that it cannot convert: one line that names the first keys, status 2, and no file."""

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from converting import convert
from mmengine.hub import get_config
from torch import Tensor

from mmmaskformer.checkpoint.fitting import shapes_of

os.environ["HF_HUB_OFFLINE"] = "1"
transformers = pytest.importorskip("transformers")

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
WIDTHS = dict(decoder_attention_heads=4, encoder_attention_heads=4, decoder_ffn_dim=32, encoder_ffn_dim=32)


def resnet() -> object:
    return transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 32, 64], depths=[2] * 4, layer_type="basic",
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip


def detr(**changes: object) -> object:
    return transformers.DetrConfig(d_model=32, encoder_layers=1, decoder_layers=1, num_queries=8, **WIDTHS, **changes)


def maskformer() -> object:
    return transformers.MaskFormerConfig(
        backbone_config=resnet(), decoder_config=detr(), fpn_feature_size=32, mask_feature_size=32
    )


THEIRS: dict[str, Callable] = {
    "DETR": lambda: transformers.DetrForObjectDetection(detr(backbone_config=resnet(), use_timm_backbone=False)),
    "Mask2Former": lambda: transformers.Mask2FormerForUniversalSegmentation(
        transformers.Mask2FormerConfig(
            backbone_config=resnet(), feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=32,
            dim_feedforward=32, encoder_layers=1, decoder_layers=2, num_attention_heads=4, num_queries=8,
            use_pretrained_backbone=False,
        )
    ),
    "MaskFormer without heads": lambda: transformers.MaskFormerModel(maskformer()),
}  # fmt: skip


@pytest.fixture
def refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable:
    """Calls the tool and gives back its line, having seen that status, stderr and folder are as they should be."""

    def call(*arguments: object) -> str:
        (tmp_path / "out").mkdir()
        capsys.readouterr()  # transformers tells its progress
        with pytest.raises(SystemExit) as ended:
            convert(monkeypatch, arguments[0], tmp_path / "out" / "ours.pth", *arguments[1:])
        assert ended.value.code == 2
        assert list((tmp_path / "out").iterdir()) == []
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        return line

    return call


@pytest.fixture
def release(shared_data: Path) -> dict[str, Tensor]:
    return torch.load(shared_data / "reference_numbers" / "semantic_r50.pt", weights_only=False)["state_dict"]


@pytest.mark.parametrize("name", THEIRS)
def test_another_model_of_hugging_face(name: str, tmp_path: Path, refuse: Callable) -> None:
    THEIRS[name]().save_pretrained(tmp_path / "hub")
    half = "half a model: Hugging Face's MaskFormerModel, without heads; it has pixel_level_module."
    expected = half if "heads" in name else f"hub is of {name} and not of MaskFormer: it has "
    assert expected in refuse(tmp_path / "hub")


@pytest.mark.parametrize("name", ["DETR", "Mask2Former"])
def test_its_weights_without_the_config_beside_them(name: str, tmp_path: Path, refuse: Callable) -> None:
    torch.save(THEIRS[name]().state_dict(), tmp_path / "weights.pth")
    assert f"weights.pth is of {name} and not of MaskFormer: it has " in refuse(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("mmdet::detr/detr_r50_8xb2-150e_coco.py", "is of DETR .* it has bbox_head.reg_ffn.layers.0.0.weight"),
        (
            "mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py",
            "is of Mask2Former .* panoptic_head.query",
        ),
        (
            "mmseg::mask2former/mask2former_r50_8xb2-160k_ade20k-512x512.py",
            "is of Mask2Former .* decode_head.query_",
        ),
        ("mmseg::upernet/upernet_r50_4xb4-160k_ade20k-512x512.py", "another model .* head has decode_head.conv_seg"),
        (
            "mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
            "another model .* beside a backbone it has neck.lateral_",
        ),
    ],
)
def test_another_model_of_mmseg_and_mmdet(config: str, message: str, tmp_path: Path, refuse: Callable) -> None:
    state = {key: torch.zeros(1) for key in shapes_of(get_config(config))}
    torch.save(dict(state_dict=state, meta={}), tmp_path / "theirs.pth")
    assert re.search(message, refuse(tmp_path / "theirs.pth"))


@pytest.mark.parametrize("name", ["model.pth", "model.pkl", "hub"])
def test_a_truncated_file(name: str, tmp_path: Path, refuse: Callable, release: dict[str, Tensor]) -> None:
    source = file = tmp_path / name
    if name == "model.pth":
        torch.save({"model": release}, file)
    elif name == "model.pkl":
        file.write_bytes(pickle.dumps({"model": {key: value.numpy() for key, value in release.items()}}))
    else:
        transformers.MaskFormerForInstanceSegmentation(maskformer()).save_pretrained(source)
        file = source / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    line = refuse(source)
    assert file.name in line and "whole" in line and line.count("whole") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><title>404</title>", "is no file of weights (it begins with b'<!DOCTYPE html><')"),
        (b"", "is empty"),
    ],
)
def test_a_file_that_is_no_checkpoint(content: bytes, message: str, tmp_path: Path, refuse: Callable) -> None:
    (tmp_path / "model_final.pkl").write_bytes(content)
    assert message in refuse(tmp_path / "model_final.pkl")


def test_a_torchscript_program(tmp_path: Path, refuse: Callable) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(tmp_path / "model.pth"))
    assert "model.pth is a TorchScript program" in refuse(tmp_path / "model.pth")


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ("backbone.", "half a model: a backbone without a head, from backbone.stem.conv1.weight to backbone.res5.2"),
        ("sem_seg_head.", "half a model, without a backbone: sem_seg_head.pixel_decoder.adapter_1.weight, "),
        ("(?!.*predictor)", "decode_head.query_embed.weight is missing: the checkpoint is not whole"),
        (
            r"(?!.*decoder\.layers\.1\.)",
            "no place for 18 of 337 tensors of the checkpoint: decode_head.",
        ),
    ],
)
def test_half_a_model(kept: str, message: str, tmp_path: Path, refuse: Callable, release: dict[str, Tensor]) -> None:
    torch.save({"model": {key: value for key, value in release.items() if re.match(kept, key)}}, tmp_path / "half.pth")
    assert message in refuse(tmp_path / "half.pth")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--from", "hf"), "of the format 'detectron2'; its first keys are backbone.stem.conv1.weight, "),
        (
            ("--config", CONFIGS / "maskformer" / "maskformer_swin-t_ade20k.py"),
            "no place for 265 of 355 tensors of the checkpoint: ",
        ),
        (
            ("--config", CONFIGS / "maskformer" / "maskformer_r50_ade20k.py"),
            "checkpoint lacks: decode_head.transformer_decoder.lay",
        ),
        (("--num-heads", "5"), "num_heads=5 must divide channels=32"),
        (("--num-things", "3"), "--num-things 3: "),
    ],
)
def test_options_and_a_config_that_disagree(
    options: tuple, message: str, tmp_path: Path, refuse: Callable, release: dict[str, Tensor]
) -> None:
    torch.save({"model": release}, tmp_path / "model.pth")
    assert message in refuse(tmp_path / "model.pth", *options)
