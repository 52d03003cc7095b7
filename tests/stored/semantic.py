# A small semantic model, whose weights and results are kept beside this file.
custom_imports = dict(imports=["mmmaskformer"], allow_failed_imports=False)
default_scope = "mmseg"
model = dict(
    type="mmmaskformer.MaskFormerSegmentor",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[127.5] * 3,
        std=[64.0] * 3,
        size_divisor=32,
        test_cfg=dict(size_divisor=32),
    ),
    backbone=dict(type="ResNet", depth=18, base_channels=2, stem_channels=2, avg_down=True, norm_cfg=dict(type="BN")),
    decode_head=dict(
        type="mmmaskformer.MaskFormerHead",
        num_classes=5,
        in_channels=[2, 4, 8, 16],
        channels=8,
        num_queries=8,
        pixel_decoder=dict(type="mmmaskformer.FPNPixelDecoder", norm_groups=4),
        transformer_decoder=dict(
            type="mmmaskformer.TransformerDecoder", num_layers=1, num_heads=2, feedforward_channels=8, dropout=0.0
        ),
    ),
    test_cfg=dict(mode="whole"),
)
