_base_ = [
    "./_base_/models/maskformer_r50.py",
    "./_base_/datasets/mapillary.py",
    "./_base_/schedules/schedule_300k_resnet.py",
    "./_base_/default_runtime.py",
]

model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=65))
