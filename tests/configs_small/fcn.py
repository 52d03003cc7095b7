# A small FCN on the pictures of tests/tiny.py.
_base_ = "./parts.py"

custom_imports = dict(imports=["mmmaskformer"], allow_failed_imports=False)
default_scope = "mmseg"
classes = ("left", "right", "square")
load = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]
dataset = dict(
    type="BaseSegDataset",
    data_root="data",
    img_suffix=".png",
    metainfo=dict(classes=classes),
    data_prefix=dict(img_path="images", seg_map_path="annotations"),
    pipeline=[*load, dict(type="PackSegInputs")],
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
    backbone=dict(_base_.backbone, norm_cfg=norm_cfg),
    decode_head=dict(
        type="FCNHead",
        in_channels=32,
        in_index=3,
        channels=8,
        num_convs=1,
        concat_input=False,
        num_classes=19,
        norm_cfg=norm_cfg,
        dropout_ratio=0.0,
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
