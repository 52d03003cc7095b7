_base_ = [
    "./_base_/models/maskformer_r101.py",
    "./_base_/datasets/cityscapes.py",
    "./_base_/schedules/schedule_90k_resnet.py",
    "./_base_/default_runtime.py",
]

model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=19))
