"""User errors are told in one line; defects keep their traceback."""

from pathlib import Path

import pytest
from mmengine.registry import MODELS, init_default_scope
from torch.utils.data import DataLoader, Dataset

from mmmaskformer.errors import NotFiniteError, UserError, bare_type, explain, one_line_errors, suggest
from mmmaskformer.files import atomic_open


class Unreadable(Dataset):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> None:
        raise UserError("the image street.png cannot be decoded")


def caught(call) -> BaseException:
    with pytest.raises(Exception) as info:
        call()
    return info.value


def test_an_unknown_type_comes_with_close_names() -> None:
    init_default_scope("mmseg")
    error = caught(lambda: MODELS.build({"type": "mmseg.FCNHed"}))
    assert explain(error) == "no model has the type 'mmseg.FCNHed'; did you mean FCNHead or FPNHead or mmdet.FCOSHead?"


@pytest.mark.parametrize(
    ("name", "known", "close"),
    [
        ("Person", ["person", "car"], "; did you mean person?"),
        ("no.5 bus", ["no.5 bas", "other.5 bus"], "; did you mean no.5 bas or other.5 bus?"),
        ("zzz.py", ["maskformer_r101c_cityscapes.py"], ""),
        ("zzz", [], ""),
    ],
)
def test_whole_names_are_compared(name: str, known: list[str], close: str) -> None:
    assert suggest(name, known) == close


def test_types_are_compared_without_their_scope() -> None:
    assert suggest("mmseg.FPNN", ["mmdet.FPN"], bare_type) == "; did you mean mmdet.FPN?"


def test_a_wrong_key_for_a_class_is_a_user_error() -> None:
    init_default_scope("mmseg")
    error = caught(lambda: MODELS.build({"type": "FCNHead", "in_channels": 4, "channels": 4, "nmu_classes": 2}))
    assert "nmu_classes" in explain(error)


def test_an_error_in_a_data_loaders_worker_is_told_in_its_own_words() -> None:
    error = caught(lambda: list(DataLoader(Unreadable(), num_workers=1)))
    assert explain(error) == "the image street.png cannot be decoded"
    assert str(error).splitlines()[-1].endswith("the image street.png cannot be decoded"), "the cause is cut off"


def test_a_missing_file_is_named() -> None:
    assert explain(caught(Path("nowhere.png").read_bytes)) == "nowhere.png does not exist"


def test_a_defect_elsewhere_is_not_explained_away() -> None:
    assert explain(caught(lambda: int("one"))) is None
    assert explain(caught(lambda: {}["key"])) is None


def test_a_value_error_of_the_package_keeps_its_traceback() -> None:
    error = caught(lambda: atomic_open("labels.png", "r").__enter__())
    assert type(error) is ValueError and explain(error) is None


def test_a_diverged_training_is_a_user_error() -> None:
    assert explain(NotFiniteError("non-finite values in class_logits")) == "non-finite values in class_logits"


def test_a_user_error_ends_with_status_2_and_one_line(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="2"), one_line_errors():
        raise UserError("num_queries is 0")
    assert capsys.readouterr().err == "error: num_queries is 0\n"


def test_the_whole_traceback_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMMASKFORMER_TRACEBACK", "1")
    with pytest.raises(UserError), one_line_errors():
        raise UserError("num_queries is 0")
