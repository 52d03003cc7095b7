_base_ = "./efficientnet-lite0.py"

model = dict(
    type="mmmaskformer.MaskFormerSegmentor",
    decode_head=dict(
        type="mmmaskformer.MaskFormerHead",
        in_channels=_base_.in_channels,
        num_classes=11,
        num_queries=50,
        channels=128,
        pixel_decoder=dict(type="mmmaskformer.FPNPixelDecoder"),
        transformer_decoder=dict(
            type="mmmaskformer.TransformerDecoder", num_layers=6, num_heads=8, feedforward_channels=512, dropout=0.1
        ),
        criterion=dict(type="mmmaskformer.MaskCriterion"),
        ignore_index=255,
    ),
)
