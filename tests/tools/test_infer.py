import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from launching import run_tool
from segmenter import write_checkpoint, write_config
from tiny import make_dataset

from mmmaskformer.runs import load_config

MODEL = ("--config", "tiny.py", "--checkpoint", "tiny.pth")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("infer")
    for name in ("one", "two"):
        make_dataset(folder / name, images=2)
    write_checkpoint(folder / "tiny.pth", write_config(folder / "tiny.py", folder / "one"))
    (folder / "empty").mkdir()
    return folder


def test_two_folders_with_equal_names_give_two_sets_of_files(folder: Path) -> None:
    done = run_tool("infer.py", "one/images", "two/images", *MODEL, "--out-dir", "out", "--batch-size", "2", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert "4 of 4 images segmented" in done.stdout
    written = sorted(path.name for path in (folder / "out").iterdir())
    assert len(written) == 8
    assert written[:2] == ["one_0_labels.png", "one_0_overlay.png"]
    labels = cv2.imread(str(folder / "out" / written[0]), cv2.IMREAD_UNCHANGED)
    assert labels.shape == (64, 64) and labels.max() < 3


def test_an_image_that_is_named_twice_is_segmented_once(folder: Path) -> None:
    done = run_tool("infer.py", "one/images", "one/images/0.png", *MODEL, "--out-dir", "once", cwd=folder)
    assert "2 of 2 images segmented" in done.stdout


def test_broken_images_are_skipped_when_asked_and_counted(folder: Path) -> None:
    (folder / "broken").mkdir()
    (folder / "broken" / "bad.png").write_bytes(b"no image")
    cv2.imwrite(str(folder / "broken" / "good.png"), np.zeros((40, 50, 3), np.uint8))
    command = ("infer.py", "broken", *MODEL, "--out-dir", "mended", "--no-overlay", "--skip-errors")
    done = run_tool(*command, cwd=folder)
    assert done.returncode == 0, done.stdout
    assert "bad.png cannot be decoded" in done.stdout and "1 of 2 images segmented" in done.stdout
    assert [path.name for path in (folder / "mended").iterdir()] == ["good_labels.png"]


def test_a_detector_counts_things_and_instances_and_writes_what_was_asked_for(trained_detector: Path) -> None:
    command = ("infer.py", "data/images", *MODEL, "--out-dir", "out", "--outputs", "panoptic", "instance")
    done = run_tool(*command, cwd=trained_detector)
    assert done.returncode == 0, done.stdout
    annotations = [json.loads(file.read_text()) for file in (trained_detector / "out").glob("*_panoptic.json")]
    # As many as were written: which queries win is the processor's rounding's choice.
    things = sum(segment["isthing"] for picture in annotations for segment in picture["segments_info"])
    assert things and f"\nthings: {things} square\n" in done.stdout
    assert "\ninstances of score 0.5 and more: " in done.stdout and "\nlargest classes: " in done.stdout
    written = {path.name.removeprefix("0_") for path in (trained_detector / "out").glob("0_*")}
    pictures = {"panoptic_overlay.png", "instances_overlay.png"}
    assert written == {"panoptic.png", "panoptic.json", "instances.json"} | pictures


def test_without_a_config_that_of_the_checkpoint_is_read_and_not_run(folder: Path) -> None:
    cfg = load_config(folder / "tiny.py")
    cfg.model.decode_head.num_classes = 3
    for name, text in (
        ("alone", cfg.pretty_text),
        ("hostile", f"x = open('was_here', 'w').close()\n{cfg.pretty_text}"),
    ):
        write_checkpoint(folder / f"{name}.pth", folder / "tiny.py", cfg=text)
    command = ("infer.py", "one/images/0.png", "--no-overlay", "--checkpoint")
    done = run_tool(*command, "alone.pth", "--out-dir", "alone", cwd=folder)
    assert done.returncode == 0 and (folder / "alone" / "0_labels.png").is_file(), done.stdout
    done = run_tool(*command, "hostile.pth", "--out-dir", "hostile", cwd=folder)
    assert done.returncode == 2 and not (folder / "hostile").exists() and not (folder / "was_here").exists()
    assert (
        done.stdout.startswith("error: the config in hostile.pth is not made of literals") and "line 1" in done.stdout
    )
    done = run_tool(*command, "hostile.pth", "--out-dir", "hostile", "--trust-config", cwd=folder)
    assert done.returncode == 0 and (folder / "was_here").exists(), done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.jpg",), "error: image nowhere.jpg does not exist"),
        (("empty",), "error: folder empty holds no image"),
        (("one/images", "--out-dir", "one/images"), "error: folder one/images is searched for images and cannot take"),
        (("one/images/0.png", "--device", "abacus"), "error: device 'abacus' cannot be used"),
        (("one/images/0.png", "--opacity", "2"), "--opacity is 2.0, must lie between 0 and 1"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run_tool("infer.py", "--out-dir", "none", *arguments, *MODEL, cwd=folder)
    assert done.returncode == 2
    assert message in done.stdout.strip().splitlines()[-1]
    assert not (folder / "none").exists()
