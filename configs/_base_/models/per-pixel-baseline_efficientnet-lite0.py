_base_ = "./maskformer_efficientnet-lite0.py"

model = dict(
    decode_head=dict(
        _delete_=True,
        type="mmmaskformer.PerPixelBaselineHead",
        in_channels=_base_.model.decode_head.in_channels,
        num_classes=11,
        channels=_base_.model.decode_head.channels,
        pixel_decoder=_base_.model.decode_head.pixel_decoder,
        ignore_index=255,
    )
)
