"""COCO's files are checked before mmdet loads them, each as its data set and metric need it."""

import json
from pathlib import Path
from unittest.mock import patch

import pytest
from coco_files import write_sound

from mmmaskformer.errors import UserError
from mmmaskformer.runs import check_categories, checks, load_config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sound(tmp_path)
    return tmp_path


def spoil(path: Path, *keys: str) -> None:
    """Takes keys out of the file's second annotation."""
    content = json.loads(path.read_text())
    for key in keys:
        del content["annotations"][1][key]
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("area", r"instances\.json is no instance json: annotations\[1\] \(.*\) has no area"),
        ("segmentation", r"instances\.json: annotations\[1\] \(id 2\) has no segmentation"),
        ("iscrowd", r"instances\.json: annotations\[1\] \(id 2\) has no iscrowd"),
    ],
)
def test_a_wrong_file_of_instances_is_refused(folder: Path, key: str, message: str) -> None:
    spoil(folder / "instances.json", key)
    with pytest.raises(UserError, match=message):
        check_categories(load_config(folder / "instances.py"), ["test_dataloader"])


def test_boxes_alone_need_no_masks_and_training_no_crowds(folder: Path) -> None:
    spoil(folder / "instances.json", "segmentation", "iscrowd")
    cfg = load_config(folder / "instances.py")
    with pytest.raises(UserError, match="has no segmentation"):
        check_categories(cfg, ["test_dataloader"])
    cfg.test_dataloader.dataset.pipeline[1].with_mask = False
    cfg.pop("test_evaluator")
    assert check_categories(cfg, ["test_dataloader"]) is None


def test_mmdets_own_panoptic_data_set_is_checked_too(folder: Path) -> None:
    cfg = load_config(folder / "panoptic.py")
    cfg.test_dataloader.dataset.type = "CocoPanopticDataset"
    check_categories(cfg, ["test_dataloader"])
    spoil(folder / "truth.json", "file_name")
    with pytest.raises(UserError, match=r"truth\.json is no panoptic json: annotations\[1\] \(.*\) has no file_name"):
        check_categories(cfg, ["test_dataloader"])


def test_a_file_that_is_used_twice_in_the_same_way_is_read_once(folder: Path) -> None:
    cfg = load_config(folder / "instances.py")
    cfg.val_dataloader = cfg.test_dataloader
    with patch.object(checks, "check_instance_json", wraps=checks.check_instance_json) as read:
        check_categories(cfg, ["val_dataloader", "test_dataloader"])
    assert read.call_count == 2  # for data sets, and for the metric
