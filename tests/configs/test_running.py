"""Semantic configs train and predict on files in their data sets' layout; images are smaller, models thinner."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from paper_configs import PATHS, RUNNING, assert_a_step_trains, make_thin

from mmmaskformer.runs.dataset_info import dataset_classes

SIDE = 64
ORIGINAL = (80, 100)
# Endings of the files of an image and its labels, and the labels that may be on disk.
FORMATS = {
    "ADE20KDataset": (".jpg", ".png", range(151)),
    "mmmaskformer.ADE20KFullDataset": (".jpg", ".png", [*range(847), 65535]),
    "COCOStuffDataset": (".jpg", "_labelTrainIds.png", range(172)),
    "CityscapesDataset": ("_leftImg8bit.png", "_gtFine_labelTrainIds.png", [*range(19), 255]),
    "MapillaryDataset_v1": (".jpg", ".png", range(66)),
    "mmmaskformer.CamVidDataset": (".jpg", ".png", range(12)),
}


def write_files(root: Path, dataset: Config) -> None:
    """Two images and label maps in blocks where the data set's config looks for them."""
    rng = np.random.default_rng(0)
    image_suffix, label_suffix, stored = FORMATS[dataset.type]
    images, labels = (root / dataset.data_prefix[key] for key in ("img_path", "seg_map_path"))
    for folder in (images, labels):
        folder.mkdir(parents=True, exist_ok=True)
    dtype = np.uint8 if max(stored) < 256 else np.uint16
    for index in range(2):
        blocks = rng.choice(stored, (4, 5)).astype(dtype)
        cv2.imwrite(str(images / f"{index}{image_suffix}"), rng.integers(0, 256, (*ORIGINAL, 3), dtype=np.uint8))
        cv2.imwrite(str(labels / f"{index}{label_suffix}"), np.kron(blocks, np.ones((20, 20), dtype=dtype)))


def small_config(name: str, root: Path) -> Config:
    """The config on files below ``root`` with crops of 64 pixels, and without weights that would be downloaded."""
    cfg = Config.fromfile(PATHS[name])
    init_default_scope(cfg.default_scope)
    if cfg.model.backbone.type == "mmmaskformer.TimmBackbone":
        cfg.model.backbone.pretrained = None
    else:
        cfg.model.backbone.init_cfg = None
        make_thin(cfg.model.backbone, cfg.model.decode_head)
    factor = min(cfg.model.data_preprocessor.size) // SIDE
    cfg.model.data_preprocessor.size = shrunk(cfg.model.data_preprocessor.size, factor)
    pipelines = [cfg.tta_pipeline]
    for dataset in (cfg.train_dataloader.dataset, cfg.val_dataloader.dataset):
        dataset.data_root = str(root)
        if "generate" in dataset:
            dataset.generate = dict(train=2, val=1, height=SIDE, width=SIDE, seed=0)
        else:
            write_files(root, dataset)
        pipelines.append(dataset.pipeline)
    for pipeline in pipelines:
        augmented = [step for step in pipeline if step.type == "TestTimeAug"]
        for step in [*pipeline, *(step for test in augmented for branch in test.transforms for step in branch)]:
            sizes = {key: step[key] for key in ("scale", "scales", "crop_size", "size") if key in step}
            step.update({key: shrunk(size, factor) for key, size in sizes.items()})
    return cfg


def shrunk(size: int | list | tuple, factor: int) -> int | list | tuple:
    """Sizes in pixels divided by a factor."""
    return size // factor if isinstance(size, int) else type(size)(value // factor for value in size)


@pytest.mark.parametrize("name", RUNNING)
def test_a_config_trains_and_predicts_at_original_size(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    cfg = small_config(name, tmp_path)
    classes, void = len(dataset_classes(cfg.train_dataloader.dataset)), cfg.model.decode_head.get("ignore_index", 255)
    model = MODELS.build(cfg.model)
    model.init_weights()
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    batch = pseudo_collate([dataset[0], dataset[1]])
    labels = torch.cat([sample.gt_sem_seg.data.unique() for sample in batch["data_samples"]])
    assert ((labels < classes) | (labels == void)).all()
    assert {tuple(image.shape[1:]) for image in batch["inputs"]} == {tuple(model.data_preprocessor.size)}
    assert_a_step_trains(model, cfg, batch)

    model.eval()
    samples = DATASETS.build(cfg.val_dataloader.dataset)
    (predicted,) = model.val_step(pseudo_collate([samples[0]]))
    labels = predicted.pred_sem_seg.data
    assert tuple(labels.shape) == (1, *samples[0]["data_samples"].ori_shape)
    assert labels.min() >= 0 and labels.max() < classes


def test_a_config_predicts_with_its_own_multi_scale_pipeline(tmp_path: Path) -> None:
    torch.manual_seed(0)
    cfg = small_config("maskformer_swin-t_ade20k.py", tmp_path)
    cfg.test_dataloader.dataset.update(data_root=str(tmp_path), pipeline=cfg.tta_pipeline)
    item = DATASETS.build(cfg.test_dataloader.dataset)[0]
    flips = [sample.flip for sample in item["data_samples"]]
    assert sorted(flips) == [False] * 6 + [True] * 6
    model = MODELS.build({**cfg.tta_model, "module": cfg.model}).eval()
    (predicted,) = model.test_step(pseudo_collate([item]))
    scores = predicted.seg_logits.data
    assert tuple(scores.shape) == (150, *ORIGINAL)
    assert scores.sum(0).max() > 1.5, "a softmax would make every pixel's scores sum to 1"
