_base_ = [
    "../_base_/models/maskformer_panoptic_efficientnet-lite0.py",
    "../_base_/datasets/pennfudan.py",
    "../_base_/schedules/schedule_pennfudan.py",
    "../_base_/default_runtime_mmdet.py",
]
# Dropout slows the first hundreds of iterations, and there are not many more; images have at most a dozen segments.
model = dict(
    panoptic_head=dict(num_things_classes=1, num_stuff_classes=1, num_queries=20, transformer_decoder=dict(dropout=0.0))
)
