"""Where results are written, and where not."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from small_models import small_config, small_model

from mmmaskformer.checkpoint.saving import HEADER, check_destination, write_ours
from mmmaskformer.errors import UserError
from mmmaskformer.foreign.literals import parse


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("out.pkl", "mmmaskformer", "--to mmmaskformer writes a file that ends with .pth"),
        ("out", "detectron2", "--to detectron2 writes a file that ends with .pkl or .pth"),
        ("folder.pth", "mmmaskformer", "is a folder; --to mmmaskformer writes a file"),
        ("source.pth", "hf", "is a file; --to hf writes a folder"),
        ("source.pth", "mmmaskformer", "is the checkpoint itself"),
        ("handwritten.pth", "mmmaskformer", "handwritten.py exists and is not of a conversion"),
    ],
)
def test_a_destination_that_does_no_good_is_refused(name: str, target: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "source.pth").touch()
    (tmp_path / "folder.pth").mkdir()
    (tmp_path / "handwritten.py").write_text("model = dict()")
    with pytest.raises(UserError, match=message):
        check_destination(tmp_path / name, tmp_path / "source.pth", target)


def test_an_earlier_result_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.pth").touch()
    (tmp_path / "out.py").write_text(f"{HEADER}out.pth")
    check_destination(tmp_path / "out.pth", tmp_path / "source.pth", "mmmaskformer")
    check_destination(tmp_path / "source", tmp_path / "source", "hf")
    assert {path.name for path in tmp_path.iterdir()} == {"out.pth", "out.py"}


def test_the_config_is_written_as_literals_and_kept_in_the_weights_too(tmp_path: Path) -> None:
    name = "a\nimport os\n{{ fileDirname }}.pth"
    weights, config = write_ours(small_model(), tmp_path / name)
    assert Config.fromfile(config).to_dict() == small_config()
    text = config.read_text(encoding="utf-8")
    assert text.startswith(HEADER) and parse(text, "x") == small_config()
    meta = torch.load(weights)["meta"]
    assert parse(meta["cfg"], "x") == small_config() and meta["dataset_meta"]["classes"] == ["wall", "sky", "tree"]
    check_destination(tmp_path / name, tmp_path / "source.pth", "mmmaskformer")  # it may be replaced


def test_a_config_that_is_more_than_literals_writes_nothing(tmp_path: Path) -> None:
    model = small_model()
    model.config.model.decode_head.act = torch.nn.GELU
    with pytest.raises(UserError, match="the config: model.decode_head.act is <class .*, which cannot be written"):
        write_ours(model, tmp_path / "out" / "x.pth")
    assert list(tmp_path.iterdir()) == []
