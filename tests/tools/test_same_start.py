"""One random start for mmseg's head and ours."""

import subprocess
import sys
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmmaskformer.apis import load_config

ROOT = Path(__file__).resolve().parents[2]
PEER, OURS = (ROOT / "configs" / name for name in (
    "peers/mmseg-maskformer_efficientnet-lite0_camvid.py", "maskformer_efficientnet-lite0_camvid.py"
))  # fmt: skip


def test_both_models_load_their_file_and_see_the_same_in_an_image(tmp_path):
    command = [sys.executable, str(ROOT / "tools/analysis_tools/same_start.py"), str(PEER), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    init_default_scope("mmseg")
    image, meta = torch.randn(1, 3, 64, 96), [dict(img_shape=(64, 96), ori_shape=(64, 96))]
    scores = []
    for config, name in ((PEER, "mmseg"), (OURS, "ours")):
        model = MODELS.build(load_config(str(config)).model).eval()
        model.load_state_dict(torch.load(tmp_path / f"{name}.pth", weights_only=True)["state_dict"])
        with torch.no_grad():
            scores.append(model.encode_decode(image, meta))
    torch.testing.assert_close(*scores, atol=1e-5, rtol=1e-4)
