_base_ = "./per-pixel-baseline_efficientnet-lite0.py"

# As many queries as classes, and cross-entropy in place of matching and mask losses.
model = dict(
    decode_head=dict(
        type="mmmaskformer.PerPixelBaselinePlusHead",
        transformer_decoder=dict(
            type="mmmaskformer.TransformerDecoder", num_layers=6, num_heads=8, feedforward_channels=512, dropout=0.1
        ),
    )
)
