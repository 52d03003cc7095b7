from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_panoptic
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from segmenter import write_checkpoint, write_config
from tiny import make_dataset

from mmmaskformer.apis import draw_predictions
from mmmaskformer.engine.hooks.panels import listed_instances
from mmmaskformer.runs import load_config, sync_dataset_meta


@pytest.mark.parametrize(("loads_truth", "width"), [(True, 3 * 640), (False, 1280)])
def test_a_test_run_draws_panels_or_an_overlay_where_there_is_no_truth(
    tmp_path: Path, loads_truth: bool, width: int
) -> None:
    make_dataset(tmp_path / "data", images=2)
    config = write_config(tmp_path / "tiny.py", tmp_path / "data")
    cfg = load_config(config, {"work_dir": str(tmp_path / "run"), "model.decode_head.num_classes": 3})
    cfg.load_from = str(write_checkpoint(tmp_path / "tiny.pth", config))
    if not loads_truth:
        cfg.test_dataloader.dataset.pipeline.pop(1)
        cfg.test_evaluator.update(format_only=True, output_dir=str(tmp_path / "maps"))
    draw_predictions(cfg, str(tmp_path / "shown"))
    Runner.from_cfg(cfg).test()
    pictures = sorted((tmp_path / "shown").iterdir())
    assert [path.name for path in pictures] == ["0.png", "1.png"]
    assert width <= cv2.imread(str(pictures[0])).shape[1] < 1.1 * width


@pytest.mark.parametrize("panels", [3, 1], ids=["with truth", "without truth"])
def test_a_detectors_run_draws_all_that_it_predicts(trained_detector: Path, tmp_path: Path, panels: int) -> None:
    cfg = load_config(trained_detector / "tiny.py", {"work_dir": str(tmp_path / "run")})
    sync_dataset_meta(cfg, ["test_dataloader"])
    cfg.load_from = str(trained_detector / "tiny.pth")
    if panels == 1:
        cfg.test_dataloader.dataset.data_prefix.pop("seg")
    draw_predictions(cfg, str(tmp_path / "shown"))
    Runner.from_cfg(cfg).test()
    pictures = {path.name: cv2.imread(str(path)).shape[1] for path in (tmp_path / "shown").iterdir()}
    assert pictures.keys() == {f"{image}{kind}.png" for image in "01" for kind in ("", "_panoptic", "_instances")}
    # Panels are 640 wide; an overlay alone has room for twice as many names.
    assert all(0 <= width - (640 * 3 if panels == 3 else 1280) < 40 for width in pictures.values())


def test_the_instances_that_a_data_set_lists_have_their_masks(tmp_path: Path) -> None:
    root = tiny_panoptic.make_dataset(tmp_path / "data", images=1)
    meta = dict(classes=tiny_panoptic.THINGS)
    files = dict(ann_file=str(root / "instances.json"), data_prefix=dict(img=str(root / "images")))
    dataset = DATASETS.build(dict(type="mmdet.CocoDataset", metainfo=meta, test_mode=True, **files))
    found = listed_instances(dataset.get_data_info(0))
    truth = cv2.imread(str(root / "annotations" / "0.png"), cv2.IMREAD_UNCHANGED) == 2
    assert found.labels.tolist() == [0] and found.scores is None
    assert np.array_equal(found.masks[0], truth) and found.areas.tolist() == [truth.sum()]
