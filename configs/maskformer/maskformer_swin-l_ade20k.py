_base_ = [
    "../_base_/models/maskformer.py",
    "../_base_/backbones/swin-l.py",
    "../_base_/datasets/ade20k_640.py",
    "../_base_/schedules/schedule_160k_swin.py",
    "../_base_/default_runtime.py",
]
model = dict(
    data_preprocessor=dict(size=(640, 640)), backbone=_base_.backbone, decode_head=dict(in_channels=_base_.in_channels)
)
