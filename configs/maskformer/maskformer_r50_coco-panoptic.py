_base_ = [
    "../_base_/models/maskformer_panoptic_encoder.py",
    "../_base_/backbones/r50.py",
    "../_base_/datasets/coco-panoptic.py",
    "../_base_/schedules/schedule_554k_resnet.py",
    "../_base_/default_runtime_mmdet.py",
]
model = dict(backbone=_base_.backbone, panoptic_head=dict(in_channels=_base_.in_channels))
