import re
from pathlib import Path

import yaml

from mmmaskformer.foreign.configs import accept_config
from mmmaskformer.foreign.literals import emit
from mmmaskformer.runs.config import find_config
from mmmaskformer.zoo import LICENSE, released_models
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


def test_what_a_published_model_gets_from_its_config_is_read_back_as_data(tmp_path: Path) -> None:
    from mmengine.config import Config
    from small_models import small_model

    from mmmaskformer.zoo.conversion import complete

    model = small_model()
    complete(model, released_models()["maskformer_r101c_cityscapes"])
    stored = accept_config(emit(model.config.to_dict(), "config"), "config")
    steps = Config(stored.config).test_pipeline
    assert [step.type for step in steps] == ["LoadImageFromFile", "ResizeShortestEdge", "PackSegInputs"]
    assert (steps[1].scale, steps[1].max_size) == (1024, 2048)
