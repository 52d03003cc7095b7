_base_ = [
    "../_base_/models/maskformer_panoptic.py",
    "../_base_/backbones/swin-s.py",
    "../_base_/datasets/coco-panoptic.py",
    "../_base_/schedules/schedule_554k_swin.py",
    "../_base_/default_runtime_mmdet.py",
]
model = dict(
    backbone=_base_.backbone, panoptic_head=dict(in_channels=_base_.in_channels, enforce_input_projection=True)
)
