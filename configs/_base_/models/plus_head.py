# As many queries as classes: merge it into the decode_head of a per-pixel baseline.
plus_head = dict(
    type="mmmaskformer.PerPixelBaselinePlusHead",
    transformer_decoder=dict(
        type="mmmaskformer.TransformerDecoder",
        num_layers=6,
        num_heads=8,
        feedforward_channels=2048,
        dropout=0.1,
    ),
)
