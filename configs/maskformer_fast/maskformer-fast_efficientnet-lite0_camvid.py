_base_ = [
    "../_base_/models/maskformer_efficientnet-lite0.py",
    "../_base_/models/fast_head.py",
    "../_base_/datasets/camvid.py",
    "../_base_/schedules/schedule_camvid.py",
    "../_base_/default_runtime.py",
]
model = dict(decode_head=_base_.fast_head)
