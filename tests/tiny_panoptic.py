"""The pictures of ``tiny.py`` with panoptic and instance truth in COCO's formats, and a detector's config for them."""

import json
from pathlib import Path

import cv2
import numpy as np
import tiny
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.registry import MODELS
from mmengine.structures import InstanceData, PixelData
from panoptic_files import annotation
from pycocotools import mask as coco_mask
from torch import nn

from mmmaskformer.coco.panoptic_png import write_panoptic_png
from mmmaskformer.runs import load_config, sync_dataset_meta

THINGS, STUFF = ("square",), ("left", "right")
CLASSES = THINGS + STUFF
CATEGORIES = [dict(id=7 * (i + 1), name=name, isthing=int(name in THINGS)) for i, name in enumerate(CLASSES)]
IDS = np.array([1000, 70000, 9])  # of the segments of tiny.py's classes left, right and square
LABELS = (1, 2, 0)  # their classes here
KINDS = {int(number): (CATEGORIES[label]["id"], 0) for number, label in zip(IDS, LABELS)}

CONFIG = """
custom_imports = dict(imports=["mmmaskformer"], allow_failed_imports=False)
default_scope = "mmdet"
metainfo = dict(
    classes={classes!r}, thing_classes={things!r}, stuff_classes={stuff!r},
    palette=[(220, 20, 60), (0, 90, 200), (240, 200, 40)],
)
pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(64, 64), keep_ratio=True),
    dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
]
dataset = dict(
    type="CocoPanopticDataset", data_root={data!r}, ann_file="panoptic.json", metainfo=metainfo, test_mode=True,
    data_prefix=dict(img="images", seg="panoptic"), pipeline=pipeline,
)
test_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False), dataset=dataset)
test_evaluator = [
    dict(type="mmmaskformer.PanopticQualityMetric", ann_file={data!r} + "/panoptic.json"),
    dict(type="CocoMetric", ann_file={data!r} + "/instances.json", metric="segm"),
]
model = dict(
    type="mmmaskformer.MaskFormer",
    data_preprocessor=dict(
        type="DetDataPreprocessor", mean=[127.5] * 3, std=[64.0] * 3, bgr_to_rgb=True, pad_size_divisor=32
    ),
    backbone=dict(type="ResNet", depth=18, base_channels=4, stem_channels=4, avg_down=True, norm_cfg=dict(type="BN")),
    panoptic_head=dict(
        type="mmmaskformer.MaskFormerPanopticHead", in_channels=[4, 8, 16, 32], num_queries=8, channels=16,
        num_things_classes=80, num_stuff_classes=53,
        pixel_decoder=dict(type="mmmaskformer.FPNPixelDecoder", norm_groups=4),
        transformer_decoder=dict(
            type="mmmaskformer.TransformerDecoder", num_layers=1, num_heads=2, feedforward_channels=16,
            dropout=0.0,  # with it, about half of the trainings fail has_learned
        ),
    ),
    test_cfg=dict(
        panoptic_on=True, instance_on=True, semantic_on=True, object_mask_thr=0.3, iou_thr=0.1, max_per_image=5
    ),
)
test_cfg = dict(type="TestLoop")
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0))
"""


def make_dataset(root: Path, images: int = 2) -> Path:
    """Writes the pictures with ``panoptic.json``, ``panoptic/`` and ``instances.json``, the last for things alone."""
    tiny.make_dataset(root, images)
    listed, annotations, instances = [], [], []
    for index in range(images):
        labels = cv2.imread(str(root / "annotations" / f"{index}.png"), cv2.IMREAD_UNCHANGED)
        ids = IDS[labels]
        write_panoptic_png(ids, root / "panoptic" / f"{index}.png")
        listed.append(dict(id=index, file_name=f"{index}.png", height=labels.shape[0], width=labels.shape[1]))
        annotations.append(annotation(ids, index, KINDS))
        runs = coco_mask.encode(np.asfortranarray(labels == 2, np.uint8))
        outline = dict(size=runs["size"], counts=runs["counts"].decode())
        square = annotations[-1]["segments_info"][2]
        instances.append({**square, "image_id": index, "segmentation": outline})
    panoptic = dict(images=listed, annotations=annotations, categories=CATEGORIES)
    (root / "panoptic.json").write_text(json.dumps(panoptic))
    (root / "instances.json").write_text(
        json.dumps(dict(info={}, images=listed, annotations=instances, categories=CATEGORIES))
    )
    return root


def write_config(path: Path, data: Path) -> Path:
    """Writes a config that evaluates the detector on the data set of :func:`make_dataset`."""
    path.write_text(CONFIG.format(data=str(data), classes=CLASSES, things=THINGS, stuff=STUFF))
    return path


def write_checkpoint(path: Path, config: Path, **meta: object) -> Path:
    """Trains the detector on its data set for some seconds and writes its weights, with ``meta`` as a run would.

    Where a training ends depends on the processor's rounding too, so what the model predicts decides whether it is
    taken or another seed tried: tests may count on one square a picture.
    """
    cfg = load_config(config)
    sync_dataset_meta(cfg, ["test_dataloader"])
    batch = training_batch(Path(cfg.dataset.data_root))
    for seed in range(5):
        torch.manual_seed(seed)
        model = MODELS.build(cfg.model)
        train(model, batch)
        if has_learned(model, batch):
            torch.save({"state_dict": model.state_dict(), "meta": meta}, path)
            return path
    raise AssertionError("no seed of 5 has learned to find the one square of each picture")


def has_learned(model: nn.Module, batch: dict) -> bool:
    """Whether each picture's one thing is found once and with an IoU over 0.9."""
    model.eval()
    with torch.no_grad():
        found = model(**model.data_preprocessor(batch, training=False), mode="predict")
    for sample in found:
        code = sample.pred_panoptic_seg.sem_seg
        things = code.unique()[code.unique() >= 1000]  # mmdet's code counts instances in thousands, things from 1
        truth = sample.gt_sem_seg.sem_seg == 0
        if len(things) != 1 or (truth & (code == things)).sum() <= 0.9 * (truth | (code == things)).sum():
            return False
    return True


def train(model: nn.Module, batch: dict, iterations: int = 200) -> None:
    """Trains on one batch alone."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    # Down to 0, so that the last step does not decide.
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, iterations)
    for _ in range(iterations):
        loss, _ = model.parse_losses(model(**model.data_preprocessor(batch, training=True), mode="loss"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def training_batch(data: Path) -> dict:
    """All pictures of the data set with their instances and semantic maps."""
    batch: dict = dict(inputs=[], data_samples=[])
    for file in sorted((data / "images").iterdir()):
        image = torch.from_numpy(cv2.imread(str(file)))
        labels = np.array(LABELS)[cv2.imread(str(data / "annotations" / file.name), cv2.IMREAD_UNCHANGED)]
        size = labels.shape
        sample = DetDataSample(metainfo=dict(img_shape=size, ori_shape=size, pad_shape=size, img_path=str(file)))
        masks = BitmapMasks((labels == 0)[None].astype(np.uint8), *size)
        sample.gt_instances = InstanceData(labels=torch.tensor([0]), masks=masks)
        sample.gt_sem_seg = PixelData(sem_seg=torch.from_numpy(labels)[None])
        batch["inputs"].append(image.permute(2, 0, 1))
        batch["data_samples"].append(sample)
    return batch
