_base_ = [
    "../_base_/models/maskformer_panoptic_encoder.py",
    "../_base_/backbones/r50.py",
    "../_base_/datasets/ade20k-panoptic.py",
    "../_base_/schedules/schedule_720k_resnet.py",
    "../_base_/default_runtime_mmdet.py",
]
model = dict(
    data_preprocessor=dict(pad_size_divisor=32),
    backbone=_base_.backbone,
    panoptic_head=dict(in_channels=_base_.in_channels, num_things_classes=100, num_stuff_classes=50),
    test_cfg=dict(semantic_on=True, object_mask_thr=0.7),
)
