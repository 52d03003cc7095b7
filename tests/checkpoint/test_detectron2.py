"""The release's keys and our models, both ways."""

import json
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from paper_configs import PATHS

from mmmaskformer.checkpoint import from_detectron2, to_detectron2
from mmmaskformer.checkpoint.convert import to_ours, to_theirs
from mmmaskformer.checkpoint.detectron2 import current_name, published_name
from mmmaskformer.checkpoint.fitting import shapes_of
from mmmaskformer.checkpoint.formats import Checkpoint
from mmmaskformer.errors import UserError

# All models whose shapes are known, with the config of ours where there is one.
RELEASE = {
    "ade20k-150/maskformer_R50_bs16_160k": "maskformer_r50_ade20k",
    "ade20k-150/maskformer_R101_bs16_160k": "maskformer_r101_ade20k",
    "ade20k-150/maskformer_R101c_bs16_160k": "maskformer_r101c_ade20k",
    "ade20k-150/swin/maskformer_swin_tiny_bs16_160k": "maskformer_swin-t_ade20k",
    "ade20k-150/swin/maskformer_swin_large_IN21k_384_bs16_160k_res640": "maskformer_swin-l_ade20k",
    "ade20k-150/per_pixel_baseline_R50_bs16_160k": "per-pixel-baseline_r50_ade20k",
    "ade20k-150/per_pixel_baseline_plus_R50_bs16_160k": "per-pixel-baseline-plus_r50_ade20k",
    "coco-panoptic/maskformer_panoptic_R50_bs64_554k": "",
    "coco-panoptic/swin/maskformer_panoptic_swin_large_IN21k_384_bs64_554k": "",
}


def published(shared_data: Path, name: str) -> dict[str, torch.Tensor]:
    """The model's tensors, without memory but for the one whose values are read."""
    numbers = json.loads((shared_data / "reference_numbers" / "release_models.json").read_text())
    weights = {k: torch.empty(s, device="meta") for k, s in numbers["state_dict_shapes"][f"{name}.yaml"].items()}
    if "criterion.empty_weight" in weights:
        weights["criterion.empty_weight"] = torch.ones(weights["criterion.empty_weight"].shape) * 0.1
    return weights


def shapes(weights: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {k: tuple(v.shape) for k, v in weights.items() if not k.endswith("relative_position_index")}


@pytest.mark.parametrize("name", RELEASE)
def test_every_key_of_the_release_maps_both_ways_with_the_shapes_of_our_model(name: str, shared_data: Path) -> None:
    theirs = published(shared_data, name)
    model = to_ours(Checkpoint(Path("model.pkl"), theirs))
    assert (model.head == "panoptic_head") == ("panoptic" in name)
    assert shapes(model.weights) == shapes_of(model.config)
    if RELEASE[name]:
        assert shapes(model.weights) == shapes_of(Config.fromfile(PATHS[f"{RELEASE[name]}.py"]))
    back = to_theirs(model, "detectron2").weights
    assert {key: value.shape for key, value in back.items()} == {key: value.shape for key, value in theirs.items()}


@pytest.mark.parametrize("name", ["semantic_r50", "semantic_swin", "per_pixel_plus_r50", "panoptic_r50_encoder"])
def test_the_way_there_and_back_gives_the_same_bits_and_only_patch_merging_is_reordered(
    name: str, shared_data: Path
) -> None:
    weights = torch.load(shared_data / "reference_numbers" / f"{name}.pt", weights_only=False)["state_dict"]
    converted = from_detectron2(weights)
    moved = {value.data_ptr() for value in converted.values()}
    kept = {key for key, value in weights.items() if value.data_ptr() in moved}
    assert all(re.search(r"layers\.\d\.downsample\.|empty_weight", key) for key in weights.keys() - kept)
    back = to_detectron2(converted)
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[key], value) and back[key].dtype == value.dtype for key, value in weights.items())


def test_the_classes_of_an_ade20k_panoptic_model_are_put_into_mmdets_order_and_back() -> None:
    key = "sem_seg_head.predictor.class_embed.bias"
    weights = {key: torch.arange(151.0)}
    ours = from_detectron2(weights, "panoptic_head", things_first=True)
    assert ours["panoptic_head.class_embed.bias"][:3].tolist() == [7, 8, 10]  # bed, window, cabinet
    assert torch.equal(to_detectron2(ours, "panoptic_head", things_first=True)[key], weights[key])


def test_the_counters_of_our_batch_norms_do_not_reach_the_releases_frozen_ones() -> None:
    ours = {"backbone.bn1.weight": torch.ones(2), "backbone.bn1.num_batches_tracked": torch.tensor(5)}
    assert to_detectron2(ours).keys() == {"backbone.stem.conv1.norm.weight"}


def test_the_published_names_are_read_as_the_present_ones() -> None:
    present = "sem_seg_head.pixel_decoder.adapter_1.norm.weight"
    assert published_name(present) == "sem_seg_head.adapter_1.norm.weight"
    assert current_name(published_name(present)) == current_name(present) == present
    predictor = "sem_seg_head.predictor.class_embed.bias"
    assert published_name(predictor) == current_name(predictor) == predictor


@pytest.mark.parametrize(
    "key",
    [
        "backbone.bottom_up.res2.0.conv1.weight",
        "backbone.stem.conv1.bias",
        "sem_seg_head.predictor.box_embed.layers.0.weight",
        "proposal_generator.anchor.weight",
    ],
)
def test_a_key_that_no_rule_covers_is_an_error_that_names_it(key: str) -> None:
    known = {"sem_seg_head.predictor.query_embed.weight": torch.zeros(2, 4)}
    with pytest.raises(UserError, match=f"1 of 2 keys are not of a MaskFormer of the reference.*{re.escape(key)}"):
        from_detectron2({**known, key: torch.zeros(1)})
