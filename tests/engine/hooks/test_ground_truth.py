"""Ground truth on which a score means nothing is warned of once, with what was found in it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from launching import run_on_ranks
from mmengine.config import Config, ConfigDict
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from rank_step import count_labels
from segmenter import write_checkpoint, write_config
from tiny import make_dataset

from mmmaskformer.apis import draw_predictions, write_predictions
from mmmaskformer.engine.hooks.ground_truth import LabelCounts, check_batch_sizes
from mmmaskformer.errors import UserError
from mmmaskformer.runs import load_config, sync_dataset_meta


def describe(labels: list[int], *classes: str, void: int = 255) -> str:
    counts = LabelCounts()
    counts.add(torch.tensor([[labels]]))
    return counts.describe(classes, void)


def test_nothing_is_said_of_labels_that_are_all_of_the_classes_and_void() -> None:
    assert describe([0, 1, 1, 255], "background", "cell") == ""
    assert describe([0, 1, 65535], "background", "cell", void=65535) == ""
    assert describe([0, 1, -100], "background", "cell", void=-100) == ""


def test_masks_of_0_and_255_are_explained() -> None:
    assert describe([0, 255, 255, 255], "background", "cell") == (
        "class 1 'cell' never occurs (1 of 2 classes); scores leave them out, and may mean nothing; masks of 0 and "
        "255 need label_values=(0, 255) in the data set (docs/training.md, 'One or two classes'); labels after "
        "loading: 255 = void (75 %), 0 (25 %)"
    )


def test_one_class_alone_is_explained() -> None:
    assert describe([0, 255], "cell").startswith(
        "there is one class alone, 'cell', so every prediction is right and the score means nothing; labels after "
        "loading: 0 (50 %), 255 = void (50 %). Give the background a class of its own"
    )


def test_many_absent_classes_and_many_labels_are_cut_short() -> None:
    found = describe([*range(0, 20, 2)], *(f"c{label}" for label in range(20)))
    assert (
        "class 1 'c1', class 3 'c3', class 5 'c5', class 7 'c7', class 9 'c9', class 11 'c11', ... never occur" in found
    )
    assert "(10 of 20 classes)" in found and found.endswith("8 (10 %), 10 (10 %), ...")


def test_labels_that_are_no_class_are_named() -> None:
    found = describe([0, 1, 7, -1, 70000], "a", "b")
    assert found.startswith("labels that are no class count as errors; labels after loading: ")
    assert all(f"{name} = no class (20 %)" in found for name in ("7", "negative", "65536 and above"))
    assert not describe([0, 1], "a", "b", void=0), "a class that the metric leaves out is not missed"


def test_ranks_add_up_what_they_have_seen() -> None:
    for counts in run_on_ranks(count_labels, 2):
        assert counts == ({0: 10, 1: 4, 255: 2}, 4)


def make_run(folder: Path) -> Runner:
    """A test run over two data sets whose images have the same names and whose masks are 0 and 255."""
    config = write_config(folder / "tiny.py", folder)
    cfg = load_config(config, {"work_dir": str(folder / "run"), "model.type": "EncoderDecoder"})
    cfg.load_from = str(write_checkpoint(folder / "tiny.pth", config, num_classes=2))
    parts = []
    for town in ("bonn", "ulm"):
        for path in (make_dataset(folder / town, images=2) / "annotations").iterdir():
            mask = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) == 2) * np.uint8(255)
            cv2.imwrite(str(path), mask)
        parts.append({**cfg.dataset, "data_root": str(folder / town), "metainfo": dict(classes=("background", "cell"))})
    cfg.test_dataloader.dataset = ConfigDict(type="ConcatDataset", datasets=parts)
    cfg.experiment_name = folder.name
    sync_dataset_meta(cfg, ["test_dataloader"])
    write_predictions(cfg, str(folder / "maps"))
    draw_predictions(cfg, str(folder / "shown"))
    used = [
        "model",
        "test_dataloader",
        "test_evaluator",
        "test_cfg",
        "env_cfg",
        "visualizer",
        "custom_hooks",
        "load_from",
    ]
    # MMEngine prints the config several times, which takes seconds where it is long.
    return Runner.from_cfg(Config({key: cfg[key] for key in [*used, "work_dir", "default_scope", "experiment_name"]}))


def test_a_run_warns_once_and_writes_the_images_of_both_data_sets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner = make_run(tmp_path)
    MMLogger.get_current_instance().addHandler(caplog.handler)
    for _ in range(2):
        runner.test()
    warnings = [r.getMessage() for r in caplog.records if "ground truth" in r.getMessage()]
    (warning,) = warnings
    assert warning.startswith("ground truth of the 4 test images: class 1 'cell' never occurs (1 of 2 classes)")
    assert "0 (90.2 %), 255 = void (9.77 %)" in warning
    written = {
        str(path.relative_to(tmp_path)) for name in ("maps", "shown") for path in tmp_path.glob(f"{name}/**/*.png")
    }
    assert written == {
        f"{name}/{town}/{n}.png" for name in ("maps", "shown") for town in ("bonn", "ulm") for n in (0, 1)
    }


def batch(size: tuple[int, int], original: tuple[int, int] = (64, 64)) -> dict:
    """What a data set without transforms might give."""
    sample = SegDataSample(metainfo=dict(img_path="a.jpg", ori_shape=original))
    sample.gt_sem_seg = PixelData(data=torch.zeros(1, *size, dtype=torch.int64))
    return dict(inputs=[torch.zeros(3, 32, 48)], data_samples=[sample])


def test_label_maps_of_a_size_that_nothing_has_are_refused_before_a_metric() -> None:
    with pytest.raises(UserError, match=r"the label map of a\.jpg is 28x64 but its image a\.jpg is 64x64"):
        check_batch_sizes(batch((28, 64)))
    check_batch_sizes(batch((64, 64)))
    check_batch_sizes(batch((32, 48)))
    nested = batch((64, 64))
    check_batch_sizes({key: [value] for key, value in nested.items()})
    check_batch_sizes(None)
