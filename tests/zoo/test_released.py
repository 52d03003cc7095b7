import re
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config
from small_models import small_model

from mmmaskformer.foreign.configs import accept_config
from mmmaskformer.foreign.literals import emit
from mmmaskformer.runs.config import find_config
from mmmaskformer.zoo import LICENSE, released_models
from mmmaskformer.zoo.conversion import complete
from mmmaskformer.zoo.released import nearest

ROOT = Path(__file__).resolve().parents[2]


def test_thirty_published_models_have_a_config_and_the_first_digits_of_their_md5() -> None:
    models = released_models()
    assert len(models) == 30 and LICENSE == "CC BY-NC 4.0"
    assert len({model.file for model in models.values()}) == len(models)
    for name, model in models.items():
        assert find_config(name).stem == name
        assert model.url.startswith("https://dl.fbaipublicfiles.com/maskformer/")
        assert re.fullmatch(r"[0-9a-f]{6}", model.md5_prefix)
        assert model.task == ("panoptic" if name.endswith("panoptic") else "semantic")


def test_the_model_index_has_the_same_addresses() -> None:
    index = yaml.safe_load((ROOT / "configs" / "metafile.yml").read_text())["Models"]
    weights = {entry["Name"]: entry["Weights"] for entry in index if "Weights" in entry}
    assert weights == {name: model.url for name, model in released_models().items()}


def test_a_similar_name_is_suggested() -> None:
    assert "maskformer_swin-b-in22k_ade20k" in nearest("maskformer_swin-b_ade20k")
    assert nearest("resnet") == ""


@pytest.mark.parametrize(
    ("name", "scale", "pad", "thresholds"),
    [
        ("maskformer_r101c_cityscapes", (1024, 2048), dict(test_cfg=dict(size_divisor=32)), {}),
        ("maskformer_r50_coco-panoptic", (800, 1333), dict(pad_size_divisor=1), dict(object_mask_thr=0.8)),
        ("maskformer_r50_ade20k-panoptic", (640, 2560), dict(pad_size_divisor=32), dict(object_mask_thr=0.7)),
    ],
)
def test_a_published_model_is_tested_as_its_config_says(
    name: str, scale: tuple[int, int], pad: dict, thresholds: dict
) -> None:
    model = small_model()
    model.config.default_scope = "mmdet" if name.endswith("panoptic") else "mmseg"
    complete(model, released_models()[name])
    stored = Config(accept_config(emit(model.config.to_dict(), "config"), "config").config)
    steps = stored.test_pipeline
    assert [step.type for step in steps[:2]] == ["LoadImageFromFile", "ResizeShortestEdge"] and len(steps) == 3
    assert (steps[1].scale, steps[1].max_size) == scale
    assert pad.items() <= stored.model.data_preprocessor.to_dict().items()
    assert thresholds.items() <= stored.model.test_cfg.to_dict().items()


def test_a_published_model_knows_its_classes() -> None:
    model = small_model()
    model.config.model.decode_head.num_classes = 65
    complete(model, released_models()["maskformer_r50_mapillary"])
    assert len(model.dataset_meta["classes"]) == len(model.dataset_meta["palette"]) == 65
