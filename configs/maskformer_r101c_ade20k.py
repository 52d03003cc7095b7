_base_ = [
    "./_base_/models/maskformer_r101c.py",
    "./_base_/datasets/ade20k_512.py",
    "./_base_/schedules/schedule_160k_resnet.py",
    "./_base_/default_runtime.py",
]
