"""Small files in COCO's formats, configs that evaluate a model on them, and a model that predicts what is in them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from mmengine.structures import InstanceData, PixelData
from pycocotools import mask as coco_mask
from torch import Tensor, nn

from mmmaskformer.coco.panoptic_png import write_panoptic_png

# Configs name this module, also where a tool runs in a process of its own.
os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])

SIZE = (24, 32)
CATEGORIES = [
    {"id": 7, "name": "person", "supercategory": "living", "isthing": 1},
    {"id": 3, "name": "car", "supercategory": "vehicle", "isthing": 1},
    {"id": 92, "name": "sky", "supercategory": "stuff", "isthing": 0},
]
CLASSES, VOID = [category["name"] for category in CATEGORIES], 3
# id, class, crowd, and rows and columns of each segment; the sky lies behind them.
SEGMENTS = [(70_000, 0, 0, (4, 16, 2, 8)), (300, 0, 1, (5, 12, 14, 20)), (5, 1, 0, (14, 22, 12, 30))]
SKY = 16_777_215
IMAGES = (4, 9)

CONFIG = """
custom_imports = dict(imports=["mmmaskformer", "coco_files"], allow_failed_imports=False)
default_scope = "mmdet"
metainfo = dict(classes={classes!r}, thing_classes={classes!r}[:2], stuff_classes={classes!r}[2:])
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False), dataset=dict(
        type={dataset!r}, data_root={root!r}, ann_file={ann_file!r}, metainfo=metainfo, test_mode=True,
        data_prefix={prefix!r}, pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type={loading!r}, with_bbox=True, with_mask=True),
            dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape")),
        ],
    ),
)
test_evaluator = {evaluators!r}
model = dict(type="mmengine.Oracle")
test_cfg = dict(type="TestLoop")
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0))
"""


@MODELS.register_module(force=True)
class Oracle(BaseModel):
    """Predicts what :func:`write_sound` draws, whatever the files say."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs: list[Tensor], data_samples: list[Any], mode: str) -> list[Any]:
        """Both kinds of predictions for each image."""
        for sample in data_samples:
            things = [n for n, (_, _, crowd, _) in enumerate(SEGMENTS) if not crowd]
            masks = torch.from_numpy(np.stack([draw() == SEGMENTS[n][0] for n in things]))
            boxes = torch.tensor([[SEGMENTS[n][3][i] for i in (2, 0, 3, 1)] for n in things], dtype=torch.float32)
            labels = torch.tensor([SEGMENTS[n][1] for n in things])
            sample.pred_instances = InstanceData(
                bboxes=boxes, masks=masks, labels=labels, scores=torch.ones(len(things))
            )
            sample.pred_panoptic_seg = PixelData(sem_seg=torch.from_numpy(encoded())[None])
        return data_samples


def draw() -> np.ndarray:
    """(H, W) int64 ids of an image's segments, with void in the first row."""
    ids = np.full(SIZE, SKY, np.int64)
    ids[0] = 0
    for number, _, _, (top, bottom, left, right) in SEGMENTS:
        ids[top:bottom, left:right] = number
    return ids


def encoded() -> np.ndarray:
    """(H, W) int64, the same as mmdet's heads give it: class + 1000 x instance."""
    ids, codes = draw(), np.full(SIZE, VOID, np.int64)
    codes[ids == SKY] = 2
    for place, (number, label, _, _) in enumerate(SEGMENTS, 1):
        codes[ids == number] = label + 1000 * place
    return codes


def panoptic_content() -> dict[str, Any]:
    """The panoptic JSON of the images."""
    segments = [(SKY, 2, 0, (1, SIZE[0], 0, SIZE[1])), *SEGMENTS]
    infos = [
        {
            "id": number,
            "category_id": CATEGORIES[label]["id"],
            "iscrowd": crowd,
            "bbox": [left, top, right - left, bottom - top],
            "area": int((draw() == number).sum()),
        }
        for number, label, crowd, (top, bottom, left, right) in segments
    ]
    annotations = [{"image_id": n, "file_name": f"{n}.png", "segments_info": infos} for n in IMAGES]
    return {"info": {"year": 2017}, "images": _images(), "annotations": annotations, "categories": CATEGORIES}


def instance_content() -> dict[str, Any]:
    """The instance JSON of the images: a polygon, a list of runs for the crowd, and a compressed mask."""
    annotations: list[dict[str, Any]] = []
    for image in IMAGES:
        for place, (number, label, crowd, (top, bottom, left, right)) in enumerate(SEGMENTS):
            mask = draw() == number
            runs = coco_mask.encode(np.asfortranarray(mask, np.uint8))
            flat = np.append(mask.ravel(order="F"), not mask[-1, -1])
            lengths = np.diff(np.flatnonzero(np.diff(flat, prepend=not flat[0]))).tolist()
            outline = [left, top, right, top, right, bottom, left, bottom]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": CATEGORIES[label]["id"],
                    "iscrowd": crowd,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": int(mask.sum()),
                    "segmentation": [
                        [outline],
                        {"size": list(SIZE), "counts": lengths},
                        {"size": list(SIZE), "counts": runs["counts"].decode()},
                    ][place],
                }
            )
    return {"info": {"year": 2017}, "images": _images(), "annotations": annotations, "categories": CATEGORIES[:2]}


def write_sound(folder: Path) -> None:
    """Writes images, truth and predictions in both formats, a checkpoint of :class:`Oracle`, and two configs."""
    panoptic = panoptic_content()
    for number in IMAGES:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "images" / f"{number}.jpg"), np.full((*SIZE, 3), 90, np.uint8))
        for side in ("truth", "prediction"):
            write_panoptic_png(draw(), folder / side / f"{number}.png")
    for name, content in (("truth", panoptic), ("prediction", panoptic), ("instances", instance_content())):
        (folder / f"{name}.json").write_text(json.dumps(content))
    torch.save({"state_dict": {"weight": torch.zeros(1)}, "meta": {}}, folder / "oracle.pth")
    truth, instances = str(folder / "truth.json"), str(folder / "instances.json")
    about = dict(classes=CLASSES, root=str(folder))
    (folder / "panoptic.py").write_text(
        CONFIG.format(
            **about,
            dataset="mmmaskformer.CheckedPanopticDataset",
            ann_file="truth.json",
            prefix=dict(img="images", seg="truth"),
            loading="mmmaskformer.LoadPanopticAnnotations",
            evaluators=[
                dict(type="mmmaskformer.PanopticQualityMetric", ann_file=truth),
                dict(type="mmmaskformer.PanopticInstanceMetric", ann_file=truth, seg_prefix=str(folder / "truth")),
            ],
        )
    )
    (folder / "instances.py").write_text(
        CONFIG.format(
            **{**about, "classes": CLASSES[:2]},
            dataset="CocoDataset",
            ann_file="instances.json",
            prefix=dict(img="images"),
            loading="LoadAnnotations",
            evaluators=dict(type="CocoMetric", ann_file=instances, metric=["bbox", "segm"]),
        )
    )


def _images() -> list[dict[str, Any]]:
    return [
        {"id": n, "file_name": f"{n}.jpg", "height": SIZE[0], "width": SIZE[1], "coco_url": "http://"} for n in IMAGES
    ]
