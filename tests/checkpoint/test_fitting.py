"""Tensors that have the right names and cannot be the weights of a model."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from small_models import small_config, small_weights, write_small_hf
from torch import Tensor

from mmmaskformer.checkpoint.convert import to_ours
from mmmaskformer.checkpoint.fitting import meta_model
from mmmaskformer.checkpoint.formats import Checkpoint, read_checkpoint
from mmmaskformer.errors import UserError

POSITIONS = "model.pixel_level_module.encoder.model.encoder.layers.0.blocks.0.attention.self.relative_position_index"


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        (
            "class_embed.weight",
            lambda w: w.flatten(),
            r"class_embed.weight has the shape \(128,\), must have 2 dimensions",
        ),
        ("class_embed.weight", lambda w: w[:1], "class_embed.weight has rows for no class"),
        ("query_embed.weight", lambda w: w[:0], r"query_embed.weight has the shape \(0, 32\)"),
        ("query_embed.weight", lambda w: w.int(), "query_embed.weight is of torch.int32, must be of a floating point"),
        ("pixel_decoder.mask_features.weight", lambda w: w[0, 0, 0, 0], "mask_features.weight has the shape"),
        ("transformer_decoder.layers.0.linear1.weight", lambda w: w[0], "linear1.weight has the shape"),
    ],
)
def test_a_head_of_impossible_shapes_is_named(key: str, change: Callable[[Tensor], Tensor], message: str) -> None:
    weights = small_weights(small_config())
    weights[f"decode_head.{key}"] = change(weights[f"decode_head.{key}"])
    with pytest.raises(UserError, match=message):
        to_ours(Checkpoint(Path("x.pth"), weights))


def test_a_head_without_layers_is_not_whole() -> None:
    weights = {k: v for k, v in small_weights(small_config()).items() if ".transformer_decoder.layers." not in k}
    with pytest.raises(UserError, match="decode_head.transformer_decoder has no layers"):
        to_ours(Checkpoint(Path("x.pth"), weights))


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        (
            "encoder.layers.0.blocks.0.attention.self.query.weight",
            lambda w: w[:, :3],
            "cannot become backbone.*shapes are",
        ),
        ("encoder.layers.0.downsample.reduction.weight", lambda w: w[:, :3], "cannot become backbone.*downsample"),
        ("encoder.layers.0.blocks.0.attention.self.value.weight", lambda w: w.view(torch.int32), "is of torch.int32"),
        ("embeddings.patch_embeddings.projection.weight", lambda w: w[0], "projection.weight has the shape"),
        (POSITIONS, lambda w: w.flip(0), "does not hold the positions in Swin's windows of 2 pixels"),
        (POSITIONS, lambda w: w[:2], "does not hold the positions"),
    ],
)
def test_a_swin_of_impossible_shapes_is_named(
    key: str, change: Callable[[Tensor], Tensor], message: str, tmp_path: Path
) -> None:
    checkpoint = read_checkpoint(write_small_hf(tmp_path / "hub", "swin"))
    name = next(found for found in checkpoint.weights if found.endswith(key))
    checkpoint.weights[name] = change(checkpoint.weights[name])
    with pytest.raises(UserError, match=message):
        to_ours(checkpoint)


def test_a_model_of_many_more_layers_is_given_up_early() -> None:
    config = small_config()
    config["model"]["decode_head"]["transformer_decoder"]["num_layers"] = 10**6
    with pytest.raises(UserError, match="many more layers than the checkpoint"):
        meta_model(Config(config), most=1000)


@pytest.mark.parametrize(
    "weight", [torch.tensor([float("nan")]), torch.tensor([-1.0]), torch.empty(0), torch.tensor(1e30)]
)
def test_a_no_object_weight_of_the_release_is_a_weight(weight: Tensor) -> None:
    from mmmaskformer.checkpoint.detectron2 import to_detectron2

    state = to_detectron2(small_weights(small_config()))
    state["criterion.empty_weight"] = weight
    with pytest.raises(UserError, match=r"criterion.empty_weight\[-1\] is .*, must be a number from 0"):
        to_ours(Checkpoint(Path("x.pth"), state))


def test_names_of_another_number_of_classes_do_not_come_along() -> None:
    meta = dict(dataset_meta=dict(classes=["a", "b"], thing_classes=["a"]))
    assert to_ours(Checkpoint(Path("x.pth"), small_weights(small_config()), meta)).dataset_meta == {}
    with pytest.raises(UserError, match="x.pth: dataset_meta.classes is 'abc', must be a list"):
        to_ours(Checkpoint(Path("x.pth"), small_weights(small_config()), dict(dataset_meta=dict(classes="abc"))))
