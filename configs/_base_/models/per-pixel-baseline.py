_base_ = "./maskformer.py"

model = dict(
    decode_head=dict(
        _delete_=True,
        type="mmmaskformer.PerPixelBaselineHead",
        num_classes=150,
        channels=_base_.model.decode_head.channels,
        pixel_decoder=_base_.model.decode_head.pixel_decoder,
        ignore_index=255,
    )
)
