_base_ = [
    "../_base_/models/maskformer.py",
    "../_base_/backbones/r101.py",
    "../_base_/datasets/ade20k-full.py",
    "../_base_/schedules/schedule_200k_resnet.py",
    "../_base_/default_runtime.py",
]
model = dict(
    data_preprocessor=dict(seg_pad_val=_base_.ignore_index),
    backbone=_base_.backbone,
    decode_head=dict(in_channels=_base_.in_channels, num_classes=847, ignore_index=_base_.ignore_index),
)
