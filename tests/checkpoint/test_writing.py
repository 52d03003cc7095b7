"""Where results are written, and where not."""

from pathlib import Path

import pytest

from mmmaskformer.checkpoint.writing import HEADER, check_destination
from mmmaskformer.errors import UserError


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
