_base_ = [
    "../_base_/models/maskformer.py",
    "../_base_/backbones/swin-s.py",
    "../_base_/datasets/ade20k_512.py",
    "../_base_/schedules/schedule_160k_swin.py",
    "../_base_/default_runtime.py",
]
model = dict(backbone=_base_.backbone, decode_head=dict(in_channels=_base_.in_channels))
