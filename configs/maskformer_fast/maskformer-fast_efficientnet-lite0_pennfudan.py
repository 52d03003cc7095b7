_base_ = [
    "../_base_/models/maskformer_panoptic_efficientnet-lite0.py",
    "../_base_/models/fast_head.py",
    "../_base_/datasets/pennfudan.py",
    "../_base_/schedules/schedule_pennfudan.py",
    "../_base_/default_runtime_mmdet.py",
]
model = dict(
    panoptic_head=dict(
        _base_.fast_head,
        num_things_classes=1,
        num_stuff_classes=1,
        num_queries=20,  # images have at most a dozen segments
        # People look alike: what tells neighbors apart is where they are.
        pixel_decoder=dict(type="mmmaskformer.PositionedPixelDecoder"),
        pilots=dict(type="mmmaskformer.MaskPilots"),
    ),
)
