_base_ = [
    "../_base_/models/maskformer_efficientnet-lite0.py",
    "../_base_/models/fast_head.py",
    "../_base_/datasets/shapes-long-tailed.py",
    "../_base_/schedules/schedule_shapes-long-tailed.py",
    "../_base_/default_runtime.py",
]
# An image has at most nine segments.
model = dict(
    data_preprocessor=dict(size=(128, 128)), decode_head=dict(_base_.fast_head, num_classes=125, num_queries=20)
)
