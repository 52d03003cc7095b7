_base_ = [
    "./_base_/models/per-pixel-baseline_r50.py",
    "./_base_/datasets/ade20k_512.py",
    "./_base_/schedules/schedule_160k_resnet.py",
    "./_base_/default_runtime.py",
]
