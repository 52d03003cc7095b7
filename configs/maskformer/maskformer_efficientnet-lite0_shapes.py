_base_ = [
    "../_base_/models/maskformer_efficientnet-lite0.py",
    "../_base_/datasets/shapes.py",
    "../_base_/schedules/schedule_shapes.py",
    "../_base_/default_runtime.py",
]
model = dict(
    data_preprocessor=dict(size=(128, 128)),
    # Dropout slows the first hundreds of iterations, and there are not many more.
    decode_head=dict(num_classes=10, num_queries=20, transformer_decoder=dict(num_layers=3, dropout=0.0)),
)
