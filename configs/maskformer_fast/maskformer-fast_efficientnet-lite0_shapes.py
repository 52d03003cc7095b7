_base_ = [
    "../_base_/models/maskformer_efficientnet-lite0.py",
    "../_base_/models/fast_head.py",
    "../_base_/datasets/shapes.py",
    "../_base_/schedules/schedule_shapes.py",
    "../_base_/default_runtime.py",
]
model = dict(
    data_preprocessor=dict(size=(128, 128)),
    decode_head=dict(
        _base_.fast_head,
        num_classes=10,
        num_queries=20,
        transformer_decoder=dict(_base_.fast_head.transformer_decoder, num_layers=3),
    ),
)
