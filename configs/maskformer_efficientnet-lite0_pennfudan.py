_base_ = [
    "./_base_/models/maskformer_panoptic_efficientnet-lite0.py",
    "./_base_/datasets/pennfudan.py",
    "./_base_/schedules/schedule_pennfudan.py",
    "./_base_/default_runtime_mmdet.py",
]
model = dict(panoptic_head=dict(num_things_classes=1, num_stuff_classes=1))
