_base_ = [
    "../_base_/models/per-pixel-baseline-plus_efficientnet-lite0.py",
    "../_base_/datasets/shapes.py",
    "../_base_/schedules/schedule_shapes.py",
    "../_base_/default_runtime.py",
]
model = dict(
    data_preprocessor=dict(size=(128, 128)),
    decode_head=dict(num_classes=10, transformer_decoder=dict(num_layers=3, dropout=0.0)),
)
