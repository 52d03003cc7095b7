_base_ = [
    "../_base_/models/per-pixel-baseline-plus.py",
    "../_base_/backbones/r50.py",
    "../_base_/datasets/ade20k_512.py",
    "../_base_/schedules/schedule_160k_resnet.py",
    "../_base_/default_runtime.py",
]
model = dict(backbone=_base_.backbone, decode_head=dict(in_channels=_base_.in_channels))
