"""A tool writes neither over what another of its options writes nor over what it reads."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmmaskformer.errors import UserError
from mmmaskformer.runs import check_is_no_file, check_is_no_input, check_output_folders, check_work_dir

SEMANTIC = dict(
    type="BaseSegDataset", data_root="data", data_prefix=dict(img_path="images", seg_map_path="annotations")
)
PANOPTIC = dict(
    type="CocoPanopticDataset",
    data_root="coco/",
    ann_file="annotations/panoptic.json",
    data_prefix=dict(img="val", seg="panoptic"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder to run in, with data and a link to a folder."""
    for name in ("data/images", "data/annotations", "coco/val", "coco/annotations", "coco/panoptic"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(*datasets: dict) -> Config:
    return Config({"test_dataloader": {"dataset": {"type": "ConcatDataset", "datasets": list(datasets)}}})


@pytest.mark.parametrize(
    ("out", "show"),
    [
        ("out", "out"),
        ("out", "./new/../out"),
        ("out", "link"),
        ("new", "new"),
        ("out", "out/pictures"),
        ("out/a/b", "out"),
    ],
)
def test_predictions_and_pictures_go_to_two_folders(out: str, show: str) -> None:
    with pytest.raises(
        UserError, match=rf"^--out {out} and --show-dir {show} must be two folders, none inside the other"
    ):
        check_output_folders(config(SEMANTIC), {"--out": out, "--show-dir": show})


@pytest.mark.parametrize(
    "out", ["data/annotations", "data", "data/images/seen", "coco/annotations", "coco", "coco/panoptic/a"]
)
def test_results_stay_out_of_the_data(out: str) -> None:
    for option in ("--out", "--show-dir"):
        with pytest.raises(
            UserError, match=rf"^{option} {out} is in the test data \(.* is (data|coco).*\), whose files could be"
        ):
            check_output_folders(config(SEMANTIC, PANOPTIC), {option: out})


@pytest.mark.parametrize(
    "folders",
    [
        {"--out": "out", "--show-dir": "out2"},
        {"--out": "out", "--show-dir": None},
        {"--out": None, "--show-dir": None},
        {"--out": "data/predictions", "--show-dir": "data/pictures"},
        {"--out": ".", "--show-dir": None},
    ],
)
def test_other_folders_are_taken(folders: dict) -> None:
    check_output_folders(config(SEMANTIC, PANOPTIC), folders)
    check_output_folders(Config({}), folders)
    with pytest.raises(UserError, match="in the test data|two folders"):
        check_output_folders(config(SEMANTIC, PANOPTIC), {**folders, "--show-dir": "coco"})


def test_a_file_is_no_folder() -> None:
    with pytest.raises(UserError, match="^--show-dir file is a file, must be a folder$"):
        check_output_folders(Config({}), {"--out": "out", "--show-dir": "file"})
    check_is_no_file("nowhere", "--out-dir")


def test_a_run_does_not_write_its_config_over_the_one_it_read(folder: Path) -> None:
    (folder / "mine.py").write_text("lr = 0.1\n")
    cfg = Config.fromfile(folder / "mine.py")
    for work_dir in (".", str(folder), "out/.."):
        cfg.work_dir = work_dir
        with pytest.raises(UserError, match=r"is the folder of the config .*mine\.py, which would be written over"):
            check_work_dir(cfg)
    cfg.work_dir = "out"
    check_work_dir(cfg)


def test_a_result_is_not_written_over_what_is_read() -> None:
    check_is_no_input("out/a.pth", "--out", ["file", "out/b.pth"])
    with pytest.raises(UserError, match=r"^--out out/\.\./file is the file file that is read: give the result another"):
        check_is_no_input("out/../file", "--out", ["file"])


def test_the_name_of_a_file_is_no_folder(folder: Path) -> None:
    with pytest.raises(UserError, match=r"--out results\.pkl has the name of a file, but a folder is written"):
        check_is_no_file("results.pkl", "--out")
    check_is_no_file("results.v1", "--out")
