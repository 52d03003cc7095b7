_base_ = [
    "../_base_/models/maskformer_panoptic_efficientnet-lite0.py",
    "../_base_/datasets/shapes-panoptic.py",
    "../_base_/schedules/schedule_shapes-panoptic.py",
    "../_base_/default_runtime_mmdet.py",
]
model = dict(
    # As in the semantic config: dropout slows the first hundreds of iterations, and there are not many more.
    panoptic_head=dict(
        num_things_classes=5,
        num_stuff_classes=5,
        num_queries=20,
        transformer_decoder=dict(num_layers=3, dropout=0.0),
    ),
)
