# A small detector on the pictures of tests/tiny_panoptic.py.
_base_ = "./parts.py"

custom_imports = dict(imports=["mmmaskformer"], allow_failed_imports=False)
default_scope = "mmdet"
metainfo = dict(
    classes=("square", "left", "right"),
    thing_classes=("square",),
    stuff_classes=("left", "right"),
    palette=[(220, 20, 60), (0, 90, 200), (240, 200, 40)],
)
pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(64, 64), keep_ratio=True),
    dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
]
dataset = dict(
    type="CocoPanopticDataset",
    data_root="data",
    ann_file="panoptic.json",
    metainfo=metainfo,
    test_mode=True,
    data_prefix=dict(img="images", seg="panoptic"),
    pipeline=pipeline,
)
test_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False), dataset=dataset)
test_evaluator = [
    dict(type="mmmaskformer.PanopticQualityMetric", ann_file="data/panoptic.json"),
    dict(type="CocoMetric", ann_file="data/instances.json", metric="segm"),
]
model = dict(
    type="mmmaskformer.MaskFormer",
    data_preprocessor=dict(
        type="DetDataPreprocessor", mean=[127.5] * 3, std=[64.0] * 3, bgr_to_rgb=True, pad_size_divisor=32
    ),
    backbone=_base_.backbone,
    panoptic_head=dict(
        type="mmmaskformer.MaskFormerPanopticHead",
        in_channels=_base_.in_channels,
        num_queries=8,
        channels=16,
        num_things_classes=80,
        num_stuff_classes=53,
        pixel_decoder=_base_.pixel_decoder,
        transformer_decoder=_base_.transformer_decoder,
    ),
    test_cfg=dict(
        panoptic_on=True, instance_on=True, semantic_on=True, object_mask_thr=0.3, iou_thr=0.1, max_per_image=5
    ),
)
test_cfg = dict(type="TestLoop")
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0))
