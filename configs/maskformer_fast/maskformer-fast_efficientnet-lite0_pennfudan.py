_base_ = [
    "../maskformer/maskformer_efficientnet-lite0_pennfudan.py",
    "../_base_/models/fast_head.py",
]
# People look alike: what tells neighbors apart is where they are.
model = dict(
    panoptic_head=dict(
        _base_.fast_head,
        pixel_decoder=dict(type="mmmaskformer.PositionedPixelDecoder"),
        pilots=dict(type="mmmaskformer.MaskPilots"),
    ),
)
