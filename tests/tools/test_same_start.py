"""One start for mmseg's head and ours."""

from pathlib import Path

import torch
from launching import run_tool
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmmaskformer.runs import load_config

ROOT = Path(__file__).resolve().parents[2]
PEER, OURS = (ROOT / "configs" / name for name in (
    "peers/mmseg-maskformer_efficientnet-lite0_camvid.py", "maskformer/maskformer_efficientnet-lite0_camvid.py"
))  # fmt: skip


def scores_of(folder: Path) -> list[torch.Tensor]:
    """What the two models see in one image, each from its file."""
    init_default_scope("mmseg")
    image, meta = torch.randn(1, 3, 64, 96), [dict(img_shape=(64, 96), ori_shape=(64, 96))]
    scores = []
    for config, name in ((PEER, "mmseg"), (OURS, "ours")):
        model = MODELS.build(load_config(str(config)).model).eval()
        model.load_state_dict(torch.load(folder / f"{name}.pth", weights_only=True)["state_dict"])
        with torch.no_grad():
            scores.append(model.encode_decode(image, meta))
    return scores


def test_both_models_load_their_file_and_see_the_same_in_an_image(tmp_path):
    result = run_tool("analysis_tools/same_start.py", PEER, tmp_path, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    torch.testing.assert_close(*scores_of(tmp_path), atol=1e-5, rtol=1e-4)


def test_a_trained_model_is_the_start_of_both_but_for_its_class_layer(tmp_path):
    trained = MODELS.build(load_config(str(OURS), {"model.decode_head.num_classes": 5}).model).state_dict()
    torch.save(dict(state_dict=trained, meta={}), tmp_path / "five.pth")
    result = run_tool("analysis_tools/same_start.py", PEER, "start", "--checkpoint", "five.pth", cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert "at random: decode_head.cls_embed.weight, decode_head.cls_embed.bias\n" in result.stdout
    ours = torch.load(tmp_path / "start" / "ours.pth", weights_only=True)["state_dict"]
    assert not [name for name in ours if "class_embed" not in name and not torch.equal(ours[name], trained[name])]
    torch.testing.assert_close(*scores_of(tmp_path / "start"), atol=1e-5, rtol=1e-4)


def test_a_checkpoint_that_is_not_ours_is_refused(tmp_path):
    torch.save(dict(state_dict={"backbone.nothing": torch.zeros(1)}), tmp_path / "other.pth")
    result = run_tool("analysis_tools/same_start.py", PEER, "start", "--checkpoint", "other.pth", cwd=tmp_path)
    assert result.returncode == 2, result.stdout
    assert "--checkpoint other.pth: none of its 1 tensors is in the model of the config" in result.stdout
    assert not (tmp_path / "start" / "ours.pth").exists()
