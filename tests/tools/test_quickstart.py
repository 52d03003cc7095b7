import importlib.util
import json
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from launching import ROOT, run_tool

from mmmaskformer.errors import UserError

SMALL = [
    f"{key}_dataloader.dataset.generate.{option}"
    for key in ("train", "val", "test")
    for option in ("train=8", "val=3", "height=64", "width=64")
]


@pytest.fixture(scope="module")
def quickstart() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quickstart", ROOT / "tools" / "quickstart.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_trains_evaluates_draws_and_sums_up(tmp_path: Path) -> None:
    command = ("quickstart.py", "--iterations", "2", "--work-dir", "run", "--cfg-options", *SMALL)
    done = run_tool(*command, cwd=tmp_path, SHAPES_ROOT=str(tmp_path / "shapes"))
    assert done.returncode == 0, done.stdout
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert 0 <= summary["mIoU"] <= 1 and summary["iterations"] == 2 and summary["seconds"] > 0
    assert f"mIoU       {summary['mIoU']:6.3f}" in done.stdout
    known = [iou for iou in summary["IoU"].values() if iou is not None]
    assert np.mean(known) == pytest.approx(summary["mIoU"], abs=2e-4)
    assert len(list((tmp_path / "run" / "pictures").glob("*.png"))) == 3


def test_a_failing_step_shows_its_end_and_leaves_no_summary(tmp_path: Path) -> None:
    options = [*SMALL, "train_dataloader.batch_size=0"]
    command = ("quickstart.py", "--iterations", "2", "--work-dir", "run", "--cfg-options", *options)
    done = run_tool(*command, cwd=tmp_path, SHAPES_ROOT=str(tmp_path / "shapes"))
    assert done.returncode == 2
    assert "error: train_dataloader.batch_size is 0: must be at least 1" in done.stdout
    assert "tools/train.py ended with status 2; its whole output is in" in done.stdout
    assert not (tmp_path / "run" / "summary.json").exists()


def test_a_folder_with_other_things_is_left_alone(quickstart: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match="holds other things than a quickstart"):
        quickstart.empty(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("line", "short"),
    [
        (
            "12/01 10:00:00 - mmengine - INFO - Iter(train) [ 25/700]  base_lr: 1e-03 lr: 1e-03  eta: 0:03:22  "
            "time: 0.3  data_time: 0.02  grad_norm: 9.4  loss: 11.8197  decode.loss_cls: 2.2",
            "  iteration   25/700   loss 11.820   about 3 min 22 s left",
        ),
        (
            "... - INFO - Iter(train) [700/700]  lr: 1e-03  eta: 0:00:00  loss: 0.5  decode.loss_cls: 0.1",
            "  iteration  700/700   loss  0.500   done in 1 min 40 s",
        ),
        (
            "... - INFO - Iter(val) [100/100]    aAcc: 99.0000  mIoU: 93.2100  mAcc: 95.1000  time: 0.03",
            "  mIoU on the validation images: 0.932",
        ),
        ("... - INFO - Iter(test) [ 50/100]    eta: 0:00:02  time: 0.04", "  image 50/100"),
    ],
)
def test_a_line_of_the_log_becomes_a_short_one(quickstart: ModuleType, line: str, short: str) -> None:
    assert list(quickstart.progress(line, elapsed=100)) == [short]


def test_other_lines_of_the_log_are_not_shown(quickstart: ModuleType) -> None:
    assert list(quickstart.progress("12/01 10:00:00 - mmengine - INFO - Saving checkpoint at 700 iterations", 1)) == []


def test_the_iou_of_a_class_that_is_nowhere_is_none(quickstart: ModuleType, tmp_path: Path) -> None:
    for name, labels in (("prediction", [[0, 0], [1, 1]]), ("truth", [[0, 1], [1, 255]])):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "0.png"), np.array(labels, np.uint8))
    ious = quickstart.class_ious(tmp_path / "prediction", tmp_path / "truth")
    assert list(ious.values())[:3] == [0.5, 0.5, None]
