"""Files of every kind, told apart by what is in them; what cannot be used is said to be so."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mmmaskformer.checkpoint.formats import Checkpoint, find_format, read_checkpoint
from mmmaskformer.errors import UserError

WEIGHTS = {"sem_seg_head.predictor.query_embed.weight": torch.arange(6.0).view(2, 3)}


def write(path: Path, kind: str) -> Path:
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"model": {key: value.numpy() for key, value in WEIGHTS.items()}}))
    elif kind == "safetensors":
        save_file(WEIGHTS, path)
    else:
        content = {"mmengine": {"state_dict": WEIGHTS, "meta": {"epoch": 1}}, "bare": WEIGHTS}.get(kind)
        content = content or {"model": {f"module.{key}": value for key, value in WEIGHTS.items()}, "iteration": 3}
        torch.save(content, path, _use_new_zipfile_serialization=kind != "legacy")
    return path


@pytest.mark.parametrize("kind", ["pickle", "safetensors", "mmengine", "bare", "legacy", "parallel"])
def test_the_content_decides_and_not_the_name(kind: str, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write(tmp_path / "weights.bin", kind))
    assert checkpoint.weights.keys() == WEIGHTS.keys()
    assert all(torch.equal(checkpoint.weights[key], value) for key, value in WEIGHTS.items())
    assert find_format(checkpoint) == "detectron2"


@pytest.mark.parametrize("kind", ["pickle", "safetensors", "mmengine", "legacy"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_truncated_file_is_said_to_be_so(kind: str, part: float, tmp_path: Path) -> None:
    path = write(tmp_path / "weights.pth", kind)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(UserError, match="weights.pth.* whole"):
        read_checkpoint(path)


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_a_hostile_torch_file_is_refused_before_it_does_anything(kind: str, tmp_path: Path) -> None:
    class Touches:
        def __reduce__(self):
            return open, (str(tmp_path / "was_here"), "w")

    path = tmp_path / "weights.pth"
    torch.save({"model": {"a": torch.ones(1), "b": Touches()}}, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(UserError, match="weights.pth is refused: it asks for .*open"):
        read_checkpoint(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": {"a": "text"}}, "a is not an array of numbers"),
        ({"model": {"a": np.array(["text"])}}, "a is not an array of numbers"),
        ({"optimizer": {"lr": 1}}, "holds no weights: optimizer"),
        ([1, 2], "holds no weights: list"),
    ],
)
def test_a_file_without_weights_is_refused(content: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=message):
        read_checkpoint(path)


def test_a_missing_file_an_empty_one_and_a_folder_without_a_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pth").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.json").write_text('{"model_type": "maskformer"}')
    for name, message in (
        ("none.pth", "does not exist"),
        ("empty.pth", "is empty"),
        ("folder", "has no config.json"),
        ("half", "has none of model.safetensors"),
    ):
        with pytest.raises(UserError, match=message):
            read_checkpoint(tmp_path / name)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("sem_seg_head.adapter_1.weight", "detectron2"),
        ("model.transformer_module.queries_embedder.weight", "hf"),
        ("decode_head.cls_embed.weight", "mmseg"),
        ("panoptic_head.pixel_decoder.mask_feature.weight", "mmdet"),
        ("decode_head.class_embed.weight", "mmmaskformer"),
        ("panoptic_head.pixel_decoder.mask_features.weight", "mmmaskformer"),
        ("decode_head.mask_embed.layers.0.weight", "mmmaskformer"),
        ("layer1.0.conv1.weight", "backbone"),
    ],
)
def test_the_names_tell_the_format(key: str, expected: str) -> None:
    assert find_format(Checkpoint(Path("x"), {key: torch.ones(1)})) == expected


@pytest.mark.parametrize(
    ("key", "model"),
    [
        ("sem_seg_head.predictor.transformer_cross_attention_layers.0.norm.weight", "Mask2Former"),
        ("decode_head.query_feat.weight", "Mask2Former"),
        ("panoptic_head.level_embed.weight", "Mask2Former"),
        ("transformer.bbox_embed.layers.0.weight", "DETR"),
        ("bbox_head.fc_reg.weight", "DETR"),
    ],
)
def test_a_checkpoint_of_another_model_is_named(key: str, model: str) -> None:
    weights = {"backbone.conv1.weight": torch.ones(1), key: torch.ones(1)}
    with pytest.raises(UserError, match=f"x is of {model} and not of MaskFormer: it has {key}"):
        find_format(Checkpoint(Path("x"), weights))


def test_another_model_of_hugging_face_and_half_a_model_are_refused() -> None:
    with pytest.raises(UserError, match="x is not of MaskFormer: config.json says 'segformer'"):
        find_format(Checkpoint(Path("x"), WEIGHTS, config={"model_type": "segformer"}))
    with pytest.raises(UserError, match="half a model: a backbone without a head"):
        find_format(Checkpoint(Path("x"), {"backbone.conv1.weight": torch.ones(1)}))
