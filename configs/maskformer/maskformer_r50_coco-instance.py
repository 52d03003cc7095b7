# Another task is other data, no stuff and another output; the model is the panoptic one.
_base_ = [
    "../_base_/models/maskformer_panoptic_encoder.py",
    "../_base_/backbones/r50.py",
    "../_base_/datasets/coco-instance.py",
    "../_base_/schedules/schedule_554k_resnet.py",
    "../_base_/default_runtime_mmdet.py",
]
model = dict(
    backbone=_base_.backbone,
    panoptic_head=dict(in_channels=_base_.in_channels, num_stuff_classes=0),
    test_cfg=dict(panoptic_on=False, instance_on=True),
)
