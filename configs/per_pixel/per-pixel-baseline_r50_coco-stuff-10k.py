_base_ = [
    "../_base_/models/per-pixel-baseline.py",
    "../_base_/backbones/r50.py",
    "../_base_/datasets/coco-stuff-10k.py",
    "../_base_/schedules/schedule_60k_resnet.py",
    "../_base_/default_runtime.py",
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=_base_.backbone,
    decode_head=dict(in_channels=_base_.in_channels, num_classes=171),
)
