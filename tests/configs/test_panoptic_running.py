"""The panoptic and instance configs train, predict and are evaluated on files in COCO's layout; images are smaller.

A ResNet and a Swin keep their size, the others are thinner.
"""

import contextlib
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from panoptic_files import annotation
from paper_configs import PATHS, RUNNING_DETECTORS, assert_a_step_trains, make_thin

from mmmaskformer.coco.panoptic_json import read_panoptic_json
from mmmaskformer.coco.panoptic_png import write_panoptic_png
from mmmaskformer.datasets.panoptic_instances import instances_of_panoptic
from mmmaskformer.registry import DATASETS, MODELS
from mmmaskformer.runs.dataset_info import dataset_type

SIDE = 64
SIZE = (80, 100)
AT_FULL_SIZE = ("maskformer-box-matching_r50_coco-panoptic.py", "maskformer_swin-t_coco-panoptic.py")


def write_panoptic(folder: Path, metainfo: dict) -> None:
    """Two images with things of the first class on the first two kinds of stuff, with void; and their instances."""
    rng = np.random.default_rng(0)
    images, annotations, things = [], [], len(metainfo["thing_classes"])
    stuff = min(2, len(metainfo["stuff_classes"]))
    (folder / "images").mkdir()
    for number in (1, 2):
        cv2.imwrite(str(folder / "images" / f"{number}.jpg"), rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
        ids = np.zeros(SIZE, np.int32)
        for kind, rows in enumerate(np.array_split(np.arange(4, SIZE[0]), stuff) if stuff else ()):
            ids[rows] = 1000 + kind
        ids[20:60, 10:30], ids[20:60, 30:50] = 7, 70_000
        kinds = {7: (0, 0), 70_000: (0, 0), **{1000 + kind: (things + kind, 0) for kind in range(stuff)}}
        write_panoptic_png(ids, folder / "panoptic" / f"{number}.png")
        (folder / "semantic").mkdir(exist_ok=True)
        # ADE20K's own label map: all floor, void where it is void.
        cv2.imwrite(str(folder / "semantic" / f"{number}.png"), np.where(ids == 0, 0, 4).astype(np.uint8))
        images.append(dict(id=number, file_name=f"{number}.jpg", height=SIZE[0], width=SIZE[1]))
        annotations.append(annotation(ids, number, kinds))
    categories = [
        dict(id=label, name=name, isthing=int(label < things)) for label, name in enumerate(metainfo["classes"])
    ]
    panoptic = dict(images=images, categories=categories, annotations=annotations)
    (folder / "panoptic.json").write_text(json.dumps(panoptic))
    path = str(folder / "panoptic.json")
    instances = instances_of_panoptic(read_panoptic_json(path), str(folder / "panoptic"), path)
    (folder / "instances.json").write_text(json.dumps(instances))


def shrink(steps: list) -> None:
    """Sizes of a pipeline, also inside its choices."""
    sizes = dict(scale=SIDE, scales=[SIDE // 2, SIDE, 2 * SIDE], size=(SIDE, SIDE))
    for step in steps:
        if isinstance(step, list):
            shrink(step)
            continue
        step.update({key: value for key, value in sizes.items() if key in step})
        if "crop_size" in step:
            absolute = step.get("crop_type", "absolute") == "absolute"
            step.crop_size = (SIDE, SIDE) if absolute else (SIDE // 2, SIDE)
        shrink(step.get("transforms", []))


def small_config(name: str, folder: Path) -> Config:
    """The config on small images in ``folder`` and without pretrained weights, which would be downloaded."""
    cfg = Config.fromfile(PATHS[name])
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.pop("init_cfg", None)
    cfg.model.backbone.pop("pretrained", None)
    if name not in AT_FULL_SIZE:
        make_thin(cfg.model.backbone, cfg.model.panoptic_head)
    elif cfg.model.backbone.type == "ResNet":
        # Without pretrained weights mmdet starts the last norm of each block at 0, where a frozen one would stay.
        cfg.model.backbone.zero_init_residual = False
    kind = dataset_type(cfg.train_dataloader.dataset)
    metainfo = dict(kind.METAINFO)
    if "thing_classes" not in metainfo:
        metainfo.update(thing_classes=metainfo["classes"], stuff_classes=())
    write_panoptic(folder, metainfo)
    truth = "instances.json" if "instance" in name else "panoptic.json"
    for dataloader in (cfg.train_dataloader, cfg.val_dataloader):
        dataset = dataloader.dataset
        dataset.pop("generate", None)
        folders = dict(img="images", seg="panoptic", sem="semantic")
        prefix = {key: folders[key] for key in dataset.data_prefix}
        dataset.update(data_root=str(folder), ann_file=truth, data_prefix=prefix)
        shrink(dataset.pipeline)
    evaluators = cfg.val_evaluator if isinstance(cfg.val_evaluator, list) else [cfg.val_evaluator]
    for evaluator in evaluators:
        paths = dict(ann_file=str(folder / truth), seg_prefix=str(folder / "panoptic"))
        evaluator.update({key: value for key, value in paths.items() if key in evaluator})
    return cfg


@pytest.mark.parametrize("name", RUNNING_DETECTORS)
def test_a_config_trains_predicts_and_is_evaluated(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    cfg = small_config(name, tmp_path)
    model = MODELS.build(cfg.model)
    model.init_weights()
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports what it reads
        dataset, samples = (DATASETS.build(loader.dataset) for loader in (cfg.train_dataloader, cfg.val_dataloader))
        evaluator = Evaluator(cfg.val_evaluator)
    assert_a_step_trains(model, cfg, pseudo_collate([dataset[0], dataset[1]]))

    model.eval()
    evaluator.dataset_meta = samples.metainfo
    for index in range(2):
        with torch.no_grad():
            predicted = model.val_step(pseudo_collate([samples[index]]))
        evaluator.process(predicted, {})
    options = cfg.model.test_cfg
    for output, wanted in (("panoptic", "panoptic_on"), ("sem", "semantic_on")):
        if options[wanted]:
            assert tuple(predicted[0].get(f"pred_{output}_seg").sem_seg.shape) == (1, *SIZE)
    with contextlib.redirect_stdout(io.StringIO()):
        numbers = evaluator.evaluate(2)
    expected = {"panoptic_on": "coco_panoptic/PQ", "instance_on": "coco/segm_mAP", "semantic_on": "mIoU"}
    wanted = {number for switch, number in expected.items() if options[switch]}
    assert wanted <= numbers.keys(), f"{name} reports {sorted(numbers)}"
