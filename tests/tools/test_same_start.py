"""One random start for mmseg's head and ours."""

from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from tiny import run_tool

from mmmaskformer.apis import load_config

ROOT = Path(__file__).resolve().parents[2]
PEER, OURS = (ROOT / "configs" / name for name in (
    "peers/mmseg-maskformer_efficientnet-lite0_camvid.py", "maskformer_efficientnet-lite0_camvid.py"
))  # fmt: skip


def test_both_models_load_their_file_and_see_the_same_in_an_image(tmp_path):
    result = run_tool("analysis_tools/same_start.py", PEER, tmp_path, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    init_default_scope("mmseg")
    image, meta = torch.randn(1, 3, 64, 96), [dict(img_shape=(64, 96), ori_shape=(64, 96))]
    scores = []
    for config, name in ((PEER, "mmseg"), (OURS, "ours")):
        model = MODELS.build(load_config(str(config)).model).eval()
        model.load_state_dict(torch.load(tmp_path / f"{name}.pth", weights_only=True)["state_dict"])
        with torch.no_grad():
            scores.append(model.encode_decode(image, meta))
    torch.testing.assert_close(*scores, atol=1e-5, rtol=1e-4)
