_base_ = "./maskformer_r50.py"

model = dict(
    decode_head=dict(
        _delete_=True,
        type="mmmaskformer.PerPixelBaselineHead",
        in_channels=[256, 512, 1024, 2048],
        num_classes=150,
        channels=256,
        pixel_decoder=dict(type="mmmaskformer.FPNPixelDecoder", norm_groups=32),
        ignore_index=255,
    )
)
