"""A data set and a model so small that a tool's whole run takes seconds."""

from pathlib import Path

import cv2
import numpy as np

CLASSES = ("left", "right", "square")
SIZE = 64

CONFIG = """
custom_imports = dict(imports=["mmmaskformer"], allow_failed_imports=False)
default_scope = "mmseg"
classes = {classes!r}
load = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]
dataset = dict(
    type="BaseSegDataset", data_root={data!r}, img_suffix=".png", metainfo=dict(classes=classes),
    data_prefix=dict(img_path="images", seg_map_path="annotations"), pipeline=[*load, dict(type="PackSegInputs")],
)
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type="InfiniteSampler", shuffle=True, seed=0), dataset=dataset
)
val_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False), dataset=dataset)
test_dataloader = val_dataloader
val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
test_evaluator = val_evaluator
tta_model = dict(type="SegTTAModel")
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="LoadAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]
norm_cfg = dict(type="SyncBN")
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor", mean=[127.5] * 3, std=[64.0] * 3, bgr_to_rgb=True, size=(64, 64), seg_pad_val=255
    ),
    backbone=dict(
        type="ResNet", depth=18, base_channels=4, stem_channels=4, num_stages=4, out_indices=(0, 1, 2, 3),
        norm_cfg=norm_cfg, avg_down=True,  # as tiny_models.BACKBONE says
    ),
    decode_head=dict(
        type="FCNHead", in_channels=32, in_index=3, channels=8, num_convs=1, concat_input=False, num_classes=19,
        norm_cfg=norm_cfg, dropout_ratio=0.0,
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=1e-3))
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=8, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=2, val_interval=2)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
randomness = dict(seed=0)
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0))
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2),
)
visualizer = dict(type="SegLocalVisualizer", vis_backends=[dict(type="LocalVisBackend")], name="visualizer")
"""


def make_dataset(root: Path, images: int = 4) -> Path:
    """Writes pictures of a dark left half, a bright right half and a green square, with their label maps."""
    rng = np.random.default_rng(0)
    for folder in ("images", "annotations"):
        (root / folder).mkdir(parents=True)
    for index in range(images):
        image = np.full((SIZE, SIZE, 3), 60, np.uint8)
        labels = np.zeros((SIZE, SIZE), np.uint8)
        image[:, SIZE // 2 :], labels[:, SIZE // 2 :] = 200, 1
        y, x = rng.integers(0, SIZE - 20, 2)
        image[y : y + 20, x : x + 20], labels[y : y + 20, x : x + 20] = (0, 255, 0), 2
        cv2.imwrite(str(root / "images" / f"{index}.png"), image)
        cv2.imwrite(str(root / "annotations" / f"{index}.png"), labels)
    return root


def write_config(path: Path, data: Path, classes: tuple[str, ...] = CLASSES) -> Path:
    """Writes a config that trains a small FCN on the data set of :func:`make_dataset`."""
    path.write_text(CONFIG.format(data=str(data), classes=classes))
    return path
