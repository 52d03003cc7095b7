"""train.py and test.py from the command line, on a data set of four pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from launching import run_tool
from tiny import CLASSES, make_dataset, write_config

from mmmaskformer.apis import MaskFormerInferencer
from mmmaskformer.checkpoint.torch_files import load_torch

MORE = ("--cfg-options", "train_cfg.max_iters=4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a config, data and a run of two iterations."""
    folder = tmp_path_factory.mktemp("train")
    write_config(folder / "tiny.py", make_dataset(folder / "data"))
    done = run_tool("train.py", "tiny.py", cwd=folder)
    assert done.returncode == 0, done.stdout
    return folder


def test_training_writes_a_checkpoint_for_as_many_classes_as_the_data_set_names(folder: Path) -> None:
    saved = load_torch(folder / "work_dirs" / "tiny" / "iter_2.pth")
    assert saved["state_dict"]["decode_head.conv_seg.weight"].shape[0] == 3
    assert not list((folder / "work_dirs").rglob("*.tmp"))


def test_the_checkpoint_of_a_run_predicts_by_itself(folder: Path) -> None:
    inferencer = MaskFormerInferencer(checkpoint=folder / "work_dirs" / "tiny" / "iter_2.pth", device="cpu")
    assert tuple(inferencer.classes) == CLASSES
    assert inferencer(folder / "data" / "images" / "0.png").labels.shape == (64, 64)


def test_resuming_continues_at_the_saved_iteration_as_if_never_stopped(folder: Path) -> None:
    straight = run_tool("train.py", "tiny.py", "--work-dir", "straight", *MORE, cwd=folder)
    resumed = run_tool("train.py", "tiny.py", "--resume", *MORE, cwd=folder)
    assert "resumed epoch: 0, iter: 2" in resumed.stdout
    assert "Iter(train) [3/4]" in resumed.stdout and "Iter(train) [2/4]" not in resumed.stdout
    whole = load_torch(folder / "straight" / "iter_4.pth")["state_dict"]
    parts = load_torch(folder / "work_dirs" / "tiny" / "iter_4.pth")["state_dict"]
    assert straight.returncode == 0
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, msg=name)


def test_testing_prints_miou_and_writes_label_maps_and_pictures(folder: Path) -> None:
    checkpoint = "work_dirs/tiny/iter_2.pth"
    done = run_tool("test.py", "tiny.py", checkpoint, "--tta", "--out", "maps", "--show-dir", "shown", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert "mIoU: " in done.stdout
    maps = sorted((folder / "maps").iterdir())
    assert [path.name for path in maps] == ["0.png", "1.png", "2.png", "3.png"]
    labels = cv2.imread(str(maps[0]), cv2.IMREAD_UNCHANGED)
    assert labels.shape == (64, 64) and labels.dtype == np.uint8 and labels.max() < 3
    assert len(list((folder / "shown").rglob("*.png"))) == 4


def test_testing_a_detector_writes_what_it_predicts_and_draws_panels(trained_detector: Path) -> None:
    command = ("test.py", "tiny.py", "tiny.pth", "--out", "results", "--show-dir", "shown")
    done = run_tool(*command, cwd=trained_detector)
    assert done.returncode == 0, done.stdout
    assert "coco/segm_mAP: " in done.stdout and "coco_panoptic/PQ: " in done.stdout
    written = {path.name for path in (trained_detector / "results").iterdir()}
    assert written >= {"panoptic.json", "panoptic", "instances.segm.json", "semantic"}
    assert len(list((trained_detector / "shown").glob("*_panoptic.png"))) == 2


def test_a_users_mistake_is_one_line_and_status_2(folder: Path) -> None:
    done = run_tool("train.py", "tinny.py", cwd=folder)
    assert done.returncode == 2
    assert done.stdout.strip() == "error: config file tinny.py does not exist; did you mean tiny.py?"


def test_folders_in_which_something_would_be_lost_are_refused(folder: Path) -> None:
    before = (folder / "tiny.py").read_text()
    test = ("test.py", "tiny.py", "work_dirs/tiny/iter_2.pth")
    for command, words in (
        ((*test, "--out", "both", "--show-dir", "both"), "--out both and --show-dir both must be two folders"),
        ((*test, "--out", "data/annotations"), "--out data/annotations is in the test data"),
        (("train.py", "tiny.py", "--work-dir", "."), "work_dir . is the folder of the config"),
    ):
        done = run_tool(*command, cwd=folder)
        assert done.returncode == 2 and done.stdout.startswith(f"error: {words}"), done.stdout
    assert (folder / "tiny.py").read_text() == before and not (folder / "both").exists()


def test_a_class_that_is_no_category_is_one_line(trained_detector: Path) -> None:
    wrong = 'metainfo=dict(classes=("Square", "left", "right"), thing_classes=("Square",))'
    (trained_detector / "wrong.py").write_text(f'_base_ = "tiny.py"\ntest_dataloader = dict(dataset=dict({wrong}))\n')
    done = run_tool("test.py", "wrong.py", "tiny.pth", cwd=trained_detector)
    assert done.returncode == 2
    (line,) = done.stdout.strip().splitlines()
    assert line.startswith("error: test_dataloader (CocoPanopticDataset): 'Square' is no category of ")
    assert "panoptic.json (square, left, right); did you mean square?" in line


def test_a_corrupt_image_ends_the_run_with_its_name(folder: Path) -> None:
    broken = make_dataset(folder / "broken")
    (broken / "images" / "2.png").write_bytes(b"\x89PNG and no more")
    options = ["test_dataloader.dataset.data_root=broken", "test_dataloader.num_workers=1"]
    done = run_tool("test.py", "tiny.py", "work_dirs/tiny/iter_2.pth", "--cfg-options", *options, cwd=folder)
    assert done.returncode == 2
    assert "the image broken/images/2.png cannot be decoded" in done.stdout


def test_resuming_does_not_run_a_config_that_is_in_the_checkpoint(folder: Path) -> None:
    saved = torch.load(folder / "work_dirs" / "tiny" / "iter_2.pth", weights_only=False)  # of this test
    saved["meta"]["config"] = f"gpu_ids = [1, 2, 3]\nx = open({str(folder / 'was_here')!r}, 'w').close()"
    torch.save(saved, folder / "stranger.pth")
    more = ("--work-dir", "hostile", "--resume", "stranger.pth", "--cfg-options", "train_cfg.max_iters=3")
    done = run_tool("train.py", "tiny.py", *more, cwd=folder)
    assert done.returncode == 0 and "Iter(train) [3/3]" in done.stdout, done.stdout
    assert not (folder / "was_here").exists()
