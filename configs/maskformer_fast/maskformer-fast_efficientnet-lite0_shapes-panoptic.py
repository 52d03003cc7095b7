_base_ = [
    "../_base_/models/maskformer_panoptic_efficientnet-lite0.py",
    "../_base_/models/fast_head.py",
    "../_base_/datasets/shapes-panoptic.py",
    "../_base_/schedules/schedule_shapes-panoptic.py",
    "../_base_/default_runtime_mmdet.py",
]
model = dict(
    panoptic_head=dict(
        _base_.fast_head,
        num_things_classes=5,
        num_stuff_classes=5,
        num_queries=20,
        transformer_decoder=dict(_base_.fast_head.transformer_decoder, num_layers=3),
    ),
)
