"""Predictions from a checkpoint alone, by the config that it holds."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_configs import as_text, training_config
from mmengine.config import Config
from small_models import CLASSES, small_config, small_model, small_weights

from mmmaskformer.apis import MaskFormerInferencer
from mmmaskformer.checkpoint.saving import write_ours
from mmmaskformer.errors import UserError
from mmmaskformer.runs import load_config, sync_dataset_meta
from mmmaskformer.runs.stored_config import read_stored_config

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def write(path: Path, text: object = None, weights: dict | None = None, **meta: object) -> Path:
    """A checkpoint as MMEngine's runner writes it, with ``text`` as its config."""
    meta = dict(cfg=as_text(training_config()) if text is None else text, **meta)
    torch.save(dict(meta=meta, state_dict=weights or small_weights(small_config())), path)
    return path


def test_a_run_checkpoint_predicts_as_with_its_config(tmp_path: Path) -> None:
    path = write(tmp_path / "run.pth", dataset_meta=dict(classes=CLASSES))
    alone = MaskFormerInferencer(checkpoint=path, device="cpu")
    expected = MaskFormerInferencer(Config(small_config()), path, "cpu")(IMAGE).labels
    assert alone.classes == CLASSES and (alone(IMAGE).labels == expected).all() and len(np.unique(expected)) == 3
    run = MaskFormerInferencer(checkpoint=path, device="cpu", trust_config=True)
    assert (run(IMAGE).labels == expected).all()


def test_a_detector_predicts_from_its_checkpoint_alone(trained_detector: Path, tmp_path: Path) -> None:
    cfg = load_config(trained_detector / "tiny.py")
    sync_dataset_meta(cfg, ["test_dataloader"])
    weights = torch.load(trained_detector / "tiny.pth")["state_dict"]
    path = write(tmp_path / "run.pth", cfg.pretty_text, weights)
    image = trained_detector / "data" / "images" / "0.png"
    alone = MaskFormerInferencer(checkpoint=path, device="cpu")(image)
    expected = MaskFormerInferencer(trained_detector / "tiny.py", path, "cpu")(image)
    assert (alone.panoptic.ids == expected.panoptic.ids).all() and (alone.labels == expected.labels).all()
    assert tuple(alone.classes) == tuple(expected.classes) == ("square", "left", "right")


def test_a_converted_checkpoint_needs_no_config_either_and_neither_does_an_older_one(tmp_path: Path) -> None:
    weights, config = write_ours(small_model(), tmp_path / "ours.pth")
    expected = MaskFormerInferencer(checkpoint=weights, device="cpu")(IMAGE).labels
    saved = torch.load(weights)
    del saved["meta"]["cfg"]
    torch.save(saved, weights)
    assert (MaskFormerInferencer(checkpoint=weights, device="cpu")(IMAGE).labels == expected).all()
    config.write_text("import os\n" + config.read_text())
    with pytest.raises(UserError, match=r"ours\.py is not made of literals .* line 1 is no assignment"):
        MaskFormerInferencer(checkpoint=weights)


def test_names_come_from_the_config_where_the_checkpoint_has_none(tmp_path: Path) -> None:
    config = training_config()
    config["test_dataloader"]["dataset"]["metainfo"] = dict(classes=["a", "b", "c"], palette=[[1, 2, 3]] * 3)
    inferencer = MaskFormerInferencer(checkpoint=write(tmp_path / "run.pth", as_text(config)), device="cpu")
    assert inferencer.classes == ["a", "b", "c"] and inferencer.palette == [[1, 2, 3]] * 3


def test_a_config_runs_only_if_it_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "canary.py").write_text(f"open({str(tmp_path / 'was_here')!r}, 'w').close()")
    path = write(tmp_path / "run.pth", "__import__('canary')\n" + as_text(training_config()))
    with pytest.raises(UserError, match="run.pth is not made of literals .*--trust-config"):
        MaskFormerInferencer(checkpoint=path)
    assert "canary" not in sys.modules and not (tmp_path / "was_here").exists()
    assert MaskFormerInferencer(checkpoint=path, device="cpu", trust_config=True)(IMAGE).labels.shape == (40, 60)
    assert (tmp_path / "was_here").exists()
    del sys.modules["canary"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.pth holds no config .*: give one with --config"),
        (["model"], r"the config in .*x.pth is \['model'\], must be a text"),
        ("x = 1", "has no model"),
    ],
)
def test_a_checkpoint_without_a_config_says_so(text: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        MaskFormerInferencer(checkpoint=write(tmp_path / "x.pth", text))


def test_other_ways_to_give_no_config_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="https://x.invalid/y.pth is not on this machine"):
        read_stored_config("https://x.invalid/y.pth")
    with pytest.raises(UserError, match="give a config or trust_config, not both"):
        MaskFormerInferencer(Config(small_config()), write(tmp_path / "x.pth"), trust_config=True)
    with pytest.raises(UserError, match="no config given"):
        MaskFormerInferencer(random_weights=True)


def changed(**changes: object) -> str:
    config = training_config()
    for place, value in changes.items():
        owner = config["model"]
        *parts, last = place.split("__")
        for part in parts:
            owner = owner[part]
        owner[last] = value
    return as_text(config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed(decode_head__num_queries=5), r"query_embed.weight is \(4, 32\) in the checkpoint and \(5, 32\) in"),
        (changed(decode_head__transformer_decoder__num_layers=10**6), "has many more layers than the checkpoint"),
        (changed(backbone=dict(type="SwinTransformer", depths=(10**6,) * 4)), "many more layers|no place for"),
        (changed(backbone__base_channels=10**6), "the model needs 5 tensors that the checkpoint lacks"),
        (changed(backbone=dict(type="ReLU")), "the config in .*: the model has no place for 100 of 152 tensors"),
        (changed(decode_head__no_such_option=1), "does not describe a model that works: .*no_such_option"),
        (changed(decode_head__in_index=[3, 2, 1, 0]), "does not describe a model that works|have another shape"),
        (changed(test_cfg=dict(mode="slide", crop_size=(8, 8), stride=(0, 8))), "stride is .*: must be at least 1"),
    ],
)
def test_a_model_that_is_not_the_checkpoints_is_refused_before_it_takes_memory(
    text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        MaskFormerInferencer(checkpoint=write(tmp_path / "x.pth", text), device="cpu")


def test_a_tensor_that_has_less_memory_than_elements_is_refused(tmp_path: Path) -> None:
    weights = small_weights(small_config())
    weights["decode_head.query_embed.weight"] = torch.zeros(1).expand(10**6, 10**6)
    with pytest.raises(UserError, match="query_embed.weight has 1000000000000 elements|cannot be read|refused"):
        MaskFormerInferencer(checkpoint=write(tmp_path / "x.pth", weights=weights))
