"""mmseg's head's names and ours."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from tiny_models import build_segmentor

from mmmaskformer.checkpoint import from_mmseg_head, to_mmseg_head
from mmmaskformer.errors import UserError

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def test_a_model_goes_to_mmsegs_names_and_back_unchanged_with_its_backbone() -> None:
    state = build_segmentor().state_dict()
    there = to_mmseg_head(state)
    back = from_mmseg_head(there)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], value) for key, value in state.items())
    assert {key for key in there if key.startswith("backbone.")} == {
        key for key in state if key.startswith("backbone.")
    }


def test_a_whole_checkpoint_of_mmsegs_r50_config_fits_ours() -> None:
    theirs = get_config("mmseg::maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512.py")
    init_default_scope("mmseg")
    with torch.device("meta"):
        theirs = MODELS.build(theirs.model).state_dict()
        ours = MODELS.build(Config.fromfile(CONFIGS / "maskformer" / "maskformer_r50_ade20k.py").model).state_dict()
    converted = {key: value.shape for key, value in from_mmseg_head(theirs).items()}
    assert converted == {key: value.shape for key, value in ours.items()}


@pytest.mark.parametrize(
    ("convert", "key", "problem"),
    [
        (from_mmseg_head, "decode_head.level_embed.weight", "are not of"),
        (
            from_mmseg_head,
            "decode_head.transformer_decoder.layers.0.norms.3.weight",
            "are not of",
        ),
        (
            to_mmseg_head,
            "decode_head.box_embed.layers.0.weight",
            "have no counterpart in",
        ),
        (to_mmseg_head, "decode_head.classifier.weight", "have no counterpart in"),
    ],
)
def test_a_key_that_no_rule_covers_is_an_error_that_names_it(convert, key: str, problem: str) -> None:
    with pytest.raises(UserError, match=f"1 of 1 keys {problem} mmseg's or mmdet's MaskFormerHead: {key}"):
        convert({key: torch.zeros(1)})
