"""Configs that mmseg and mmdet ship pass our checks; tools/acceptance/shipped_configs.py takes all of them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ACCEPTANCE = Path(__file__).resolve().parents[2] / "tools" / "acceptance"
SAMPLE = [
    "mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py",
    "mmseg::maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512.py",
    "mmseg::ocrnet/ocrnet_hr18_4xb2-40k_cityscapes-512x1024.py",  # two decode heads in a row
    "mmseg::san/san-vit-b16_voc12aug-640x640.py",  # 21 classes to train on, 20 to validate
    "mmdet::maskformer/maskformer_r50_ms-16xb1-75e_coco.py",
    "mmdet::glip/lvis/glip_atss_swin-t_a_fpn_dyhead_pretrain_zeroshot_lvis.py",  # other classes to validate on
    "mmdet::bytetrack/bytetrack_yolox_x_8xb4-80e_crowdhuman-mot20train_test-mot20test.py",
    *(  # InstaBoost's factors
        f"mmdet::instaboost/{name}_fpn_instaboost-4x_coco.py"
        for model in ("cascade-mask-rcnn", "mask-rcnn")
        for name in (f"{model}_r50", f"{model}_r101", f"{model}_x101-64x4d")
    ),
]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("shipped_configs", ACCEPTANCE / "shipped_configs.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)  # where dataclasses look for it
        spec.loader.exec_module(module)
        yield module


@pytest.mark.parametrize("name", SAMPLE)
def test_a_shipped_config_is_accepted(script: ModuleType, name: str) -> None:
    assert script.check(name) == script.Outcome(name, "accepted")


def test_every_sample_is_among_the_files_that_the_script_takes(script: ModuleType) -> None:
    names = script.shipped()
    assert set(SAMPLE) <= set(names) and len(names) > 1000
    assert not any("_base_" in name for name in names)


def test_a_config_that_a_check_refuses_is_reported(script: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("model = dict(decode_head=dict(num_queries=0))\ntrain_dataloader = dict(batch_size=2)\n")
    outcome = script.check(str(path))
    assert outcome.kind == "refused" and "model.decode_head.num_queries is 0" in outcome.message
    assert f"refused: {path}: for training: UserError" in script.report([outcome])
    path.write_text("model = dict(\n")
    assert script.check(str(path)).kind == "not loaded"
    path.write_text("lr = 0.1\n")
    assert script.check(str(path)).kind == "fragment"
