"""The release's keys and the models of the configs."""

import json
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmmaskformer.checkpoint import from_detectron2

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
RELEASE = {
    "maskformer_r50_ade20k": "maskformer_R50_bs16_160k",
    "maskformer_r101_ade20k": "maskformer_R101_bs16_160k",
    "maskformer_r101c_ade20k": "maskformer_R101c_bs16_160k",
    "maskformer_swin-t_ade20k": "swin/maskformer_swin_tiny_bs16_160k",
    "maskformer_swin-l_ade20k": "swin/maskformer_swin_large_IN21k_384_bs16_160k_res640",
    "per-pixel-baseline_r50_ade20k": "per_pixel_baseline_R50_bs16_160k",
    "per-pixel-baseline-plus_r50_ade20k": "per_pixel_baseline_plus_R50_bs16_160k",
}


def shapes_of(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """Shapes of a config's state dict, built without memory."""
    cfg = Config.fromfile(CONFIGS / f"{name}.py")
    init_default_scope(cfg.default_scope)
    linspace = torch.linspace
    # mmseg's Swin reads the values of its drop-path schedule while it is built, so these must exist.
    monkeypatch.setattr(torch, "linspace", lambda *args, **kwargs: linspace(*args, **{**kwargs, "device": "cpu"}))
    with torch.device("meta"):
        model = MODELS.build(cfg.model)
    computed = ("num_batches_tracked", "relative_position_index")
    return {key: list(value.shape) for key, value in model.state_dict().items() if not key.endswith(computed)}


@pytest.mark.parametrize("name", RELEASE)
def test_every_key_of_the_release_is_a_key_of_the_config_with_the_same_shape(
    name: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = json.loads((shared_data / "reference_numbers" / "release_models.json").read_text())["state_dict_shapes"]
    release = published[f"ade20k-150/{RELEASE[name]}.yaml"]
    weights = {key: torch.empty(shape, device="meta") for key, shape in release.items()}
    weights = {key: value for key, value in weights.items() if not key.endswith("relative_position_index")}
    converted = {key: list(value.shape) for key, value in from_detectron2(weights).items()}
    assert converted == shapes_of(name, monkeypatch)


@pytest.mark.parametrize("name", ["semantic_r50", "semantic_swin", "per_pixel_plus_r50"])
def test_values_move_and_only_patch_merging_is_reordered(name: str, shared_data: Path) -> None:
    numbers = torch.load(shared_data / "reference_numbers" / f"{name}.pt", weights_only=False)
    weights = numbers["state_dict"]
    converted = from_detectron2(weights)
    moved = {value.data_ptr() for value in converted.values()}
    kept = {key for key, value in weights.items() if value.data_ptr() in moved}
    assert all(re.search(r"layers\.\d\.downsample\.|empty_weight", key) for key in weights.keys() - kept)
    assert all(value.numel() for value in converted.values())


@pytest.mark.parametrize(
    "key",
    [
        "backbone.res6.0.conv1.weight",
        "backbone.stem.conv1.bias",
        "sem_seg_head.predictor.box_embed.layers.0.weight",
        "proposal_generator.anchor.weight",
    ],
)
def test_a_key_that_no_rule_covers_is_an_error_that_names_it(key: str) -> None:
    known = {"sem_seg_head.predictor.query_embed.weight": torch.zeros(2, 4)}
    with pytest.raises(KeyError, match=f"1 keys are not of a MaskFormer release model.*{re.escape(key)}"):
        from_detectron2({**known, key: torch.zeros(1)})
