_base_ = "./maskformer_r50.py"

# As many queries as classes, and cross-entropy in place of matching and mask losses.
model = dict(
    decode_head=dict(
        _delete_=True,
        type="mmmaskformer.PerPixelBaselinePlusHead",
        in_channels=[256, 512, 1024, 2048],
        num_classes=150,
        channels=256,
        pixel_decoder=dict(type="mmmaskformer.FPNPixelDecoder", norm_groups=32),
        transformer_decoder=dict(
            type="mmmaskformer.TransformerDecoder",
            num_layers=6,
            num_heads=8,
            feedforward_channels=2048,
            dropout=0.1,
        ),
        ignore_index=255,
    )
)
