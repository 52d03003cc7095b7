_base_ = [
    "../_base_/models/maskformer_efficientnet-lite0.py",
    "../_base_/datasets/camvid.py",
    "../_base_/schedules/schedule_camvid.py",
    "../_base_/default_runtime.py",
]
