# A small panoptic model, whose weights and results are kept beside this file.
custom_imports = dict(imports=["mmmaskformer"], allow_failed_imports=False)
default_scope = "mmdet"
model = dict(
    type="mmmaskformer.MaskFormer",
    data_preprocessor=dict(
        type="DetDataPreprocessor",
        mean=[127.5] * 3,
        std=[64.0] * 3,
        pad_size_divisor=32,
        pad_mask=True,
        pad_seg=True,
        seg_pad_value=255,
    ),
    backbone=dict(type="ResNet", depth=18, base_channels=2, stem_channels=2, avg_down=True, norm_cfg=dict(type="BN")),
    panoptic_head=dict(
        type="mmmaskformer.MaskFormerPanopticHead",
        num_things_classes=3,
        num_stuff_classes=2,
        in_channels=[2, 4, 8, 16],
        channels=8,
        num_queries=8,
        pixel_decoder=dict(type="mmmaskformer.FPNPixelDecoder", norm_groups=4),
        transformer_decoder=dict(
            type="mmmaskformer.TransformerDecoder", num_layers=1, num_heads=2, feedforward_channels=8, dropout=0.0
        ),
    ),
    test_cfg=dict(
        panoptic_on=True, instance_on=True, semantic_on=True, object_mask_thr=0.2, iou_thr=0.1, max_per_image=5
    ),
)
