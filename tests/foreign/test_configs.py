"""Stored configs: what is used of them, what is left out, and what is refused."""

import copy

import pytest
from hostile_configs import as_text, training_config
from mmengine.config import Config
from paper_configs import PATHS

from mmmaskformer.errors import UserError
from mmmaskformer.foreign.configs import accept_config


def test_only_model_pipeline_scope_and_names_are_used() -> None:
    config = training_config()
    config["test_dataloader"]["dataset"]["metainfo"] = dict(classes=("a", "b"), reduce_zero_label=True)
    stored = accept_config(as_text(config), "x.pth")
    assert stored.config.keys() == {"model", "test_pipeline", "default_scope", "metainfo"}
    assert stored.config["model"] == config["model"] and stored.config["metainfo"] == dict(classes=("a", "b"))
    assert [step["type"] for step in stored.config["test_pipeline"]] == [
        "LoadImageFromFile", "ResizeShortestEdge", "PackSegInputs"
    ]  # fmt: skip
    assert stored.left_out == []


def test_imports_and_hooks_of_others_are_left_out_and_named() -> None:
    config = training_config()
    config.update(custom_imports=dict(imports=["mmmaskformer", "canary"]), custom_hooks=[dict(type="canary.X")])
    config["model"]["backbone"]["init_cfg"] = dict(type="Pretrained", checkpoint="https://example.invalid/x.pth")
    left_out = accept_config(as_text(config), "x.pth").left_out
    assert left_out == ["custom_imports of 'canary'", "custom_hooks", "init_cfg"]


def test_a_preprocessor_beside_the_model_is_put_into_it_as_mmengine_does() -> None:
    config = training_config()
    preprocessor = config["data_preprocessor"] = config["model"].pop("data_preprocessor")
    assert accept_config(as_text(config), "x.pth").config["model"]["data_preprocessor"] == preprocessor


def test_wrapped_data_sets_are_looked_into() -> None:
    config = training_config()
    dataset = config["test_dataloader"]["dataset"]
    config["test_dataloader"]["dataset"] = dict(type="RepeatDataset", dataset=copy.deepcopy(dataset), times=2)
    del config["test_pipeline"]
    assert len(accept_config(as_text(config), "x.pth").config["test_pipeline"]) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("import os", "line 1 is no assignment of one name"),
        ("x = open('was_here', 'w')", r"line 1 has .open\('was_here', 'w'\)"),
        ("_base_ = ['mmseg::x.py']", r"x.pth builds on another file, \['mmseg::x.py'\]"),
        ("default_scope = 'os'", "default_scope is 'os', must be 'mmengine' or 'mmseg'"),
        ("model = None", "x.pth has no model"),
        (
            "model = dict(type='subprocess.check_call')",
            "x.pth: model.type is 'subprocess.check_call', which is no part",
        ),
    ],
)
def test_what_is_not_accepted_is_one_line_that_says_what_to_do(line: str, message: str) -> None:
    config = training_config()
    config.pop(line.partition(" = ")[0], None)
    with pytest.raises(UserError, match=message) as caught:
        accept_config(f"{line}\n{as_text(config)}", "x.pth")
    end = "; give a config of your own with --config, or --trust-config to run this one as a program"
    assert str(caught.value).endswith(end) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "maskformer_r50_ade20k-panoptic.py",
        "mmseg-upernet_efficientnet-lite0_camvid.py",
        "mmdet-maskformer_efficientnet-lite0_pennfudan.py",
    ],
)
def test_configs_of_runs_are_accepted_as_mmengine_stores_them(name: str) -> None:
    cfg = Config.fromfile(PATHS[name], format_python_code=False)
    stored = accept_config(cfg.pretty_text, name)
    assert Config(stored.config).model.keys() == cfg.model.keys() - {"init_cfg", "pretrained"}
    assert stored.config["test_pipeline"][0]["type"] == "LoadImageFromFile"
