"""A config is made to predict, draw and write what was asked for."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.evaluation import CocoMetric
from mmengine.config import Config
from mmengine.runner import Runner

from mmmaskformer.apis import choose_outputs, draw_predictions, write_predictions
from mmmaskformer.coco.panoptic_png import read_panoptic_png
from mmmaskformer.errors import UserError
from mmmaskformer.runs import load_config, sync_dataset_meta


def detector(**others: object) -> Config:
    return Config({"model": {"panoptic_head": {}, "test_cfg": {"panoptic_on": True, "iou_thr": 0.5}}, **others})


def hooks(cfg: Config) -> list[str]:
    return [hook["type"] for hook in cfg.custom_hooks]


def test_outputs_replace_those_of_the_config_and_leave_thresholds() -> None:
    cfg = detector()
    choose_outputs(cfg, ["instance", "semantic"])
    assert cfg.model.test_cfg.to_dict() == dict(panoptic_on=False, instance_on=True, semantic_on=True, iou_thr=0.5)


def test_a_semantic_model_has_semantic_output_alone() -> None:
    cfg = Config({"model": {"decode_head": {}}})
    choose_outputs(cfg, ["semantic"])
    assert cfg.model.to_dict() == {"decode_head": {}}
    with pytest.raises(UserError, match="panoptic output needs a model with a panoptic_head"):
        choose_outputs(cfg, ["semantic", "panoptic"])


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["boxes"], "'boxes' is no kind of output; there are panoptic, instance, semantic"),
        ([], "no kind of output was given"),
        (["semantic"], "mmdet's own MaskFormer has no semantic output"),
    ],
)
def test_an_output_that_cannot_be_is_refused(outputs: list[str], message: str) -> None:
    cfg = detector()
    cfg.model.panoptic_fusion_head = {}
    with pytest.raises(UserError, match=message):
        choose_outputs(cfg, outputs)


def test_label_maps_come_beside_a_configs_own_hooks() -> None:
    cfg = Config({"model": {"decode_head": {}}, "custom_hooks": [{"type": "EMAHook"}]})
    write_predictions(cfg, "out")
    assert hooks(cfg) == ["EMAHook", "mmmaskformer.LabelMapWriterHook"]


def test_drawing_works_for_a_config_without_a_visualizer() -> None:
    cfg = Config({})
    draw_predictions(cfg, "show")
    assert hooks(cfg) == ["mmmaskformer.PanelWriterHook"]


class DerivedMetric(CocoMetric):
    """A metric of instances under another name."""


def test_every_metric_that_can_write_is_told_where() -> None:
    kinds = ("mmmaskformer.PanopticQualityMetric", "mmdet.CocoMetric", "mmdet.CocoPanopticMetric", DerivedMetric)
    cfg = detector(test_evaluator=[*(dict(type=kind) for kind in kinds), dict(type="mmdet.SemSegMetric")])
    write_predictions(cfg, "out")
    segments, instances, mmdets, derived, semantic = cfg.test_evaluator
    assert segments.out_dir == "out" and mmdets.outfile_prefix == os.path.join("out", "panoptic")
    assert instances.outfile_prefix == derived.outfile_prefix == os.path.join("out", "instances")
    assert semantic.to_dict() == {"type": "mmdet.SemSegMetric"} and "custom_hooks" not in cfg


def test_a_single_metric_need_not_be_in_a_list() -> None:
    cfg = detector(test_evaluator=dict(type="mmmaskformer.PanopticQualityMetric"))
    write_predictions(cfg, "out")
    assert cfg.test_evaluator.out_dir == "out"


@pytest.mark.parametrize("evaluator", [{}, dict(test_evaluator=dict(type="mmdet.CityScapesMetric"))])
def test_a_config_that_writes_nothing_is_refused_with_the_mend(evaluator: dict) -> None:
    with pytest.raises(UserError, match=r"--out out: .*PanopticQualityMetric for segments or mmdet's CocoMetric"):
        write_predictions(detector(**evaluator), "out")


def test_a_run_writes_segments_and_instances_for_a_server_and_label_maps_beside_evaluating(
    trained_detector: Path, tmp_path: Path
) -> None:
    cfg = load_config(trained_detector / "tiny.py", {"work_dir": str(tmp_path / "run")})
    sync_dataset_meta(cfg, ["test_dataloader"])
    cfg.load_from = str(trained_detector / "tiny.pth")
    write_predictions(cfg, str(tmp_path / "out"))
    metrics = Runner.from_cfg(cfg).test()
    assert metrics["coco/segm_mAP_50"] > 0 and metrics["coco_panoptic/PQ"] > 40
    found = json.loads((tmp_path / "out" / "instances.segm.json").read_text())
    assert {(one["image_id"], one["category_id"]) for one in found} == {(0, 7), (1, 7)}
    segments = json.loads((tmp_path / "out" / "panoptic.json").read_text())["annotations"]
    for annotation in segments:
        ids = read_panoptic_png(tmp_path / "out" / "panoptic" / annotation["file_name"])
        assert {info["id"] for info in annotation["segments_info"]} == set(np.unique(ids)) - {0}
    truth = cv2.imread(str(trained_detector / "data" / "annotations" / "0.png"), cv2.IMREAD_UNCHANGED)
    labels = cv2.imread(str(tmp_path / "out" / "semantic" / "0.png"), cv2.IMREAD_UNCHANGED)
    assert ((labels == 0) == (truth == 2)).mean() > 0.9
