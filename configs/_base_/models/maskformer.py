# Without a backbone: a config takes one of ../backbones and gives the head its channels.
model = dict(
    type="mmmaskformer.MaskFormerSegmentor",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        size=(512, 512),
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        test_cfg=dict(size_divisor=32),
    ),
    decode_head=dict(
        type="mmmaskformer.MaskFormerHead",
        num_classes=150,
        num_queries=100,
        channels=256,
        pixel_decoder=dict(type="mmmaskformer.FPNPixelDecoder", norm_groups=32),
        transformer_decoder=dict(
            type="mmmaskformer.TransformerDecoder",
            num_layers=6,
            num_heads=8,
            feedforward_channels=2048,
            dropout=0.1,
        ),
        criterion=dict(
            type="mmmaskformer.MaskCriterion",
            class_loss=dict(type="mmmaskformer.ClassificationLoss", no_object_weight=0.1, loss_weight=1.0),
            # The costs of the matching have the same weights.
            mask_losses=[
                dict(type="mmmaskformer.FocalLoss", loss_weight=20.0, alpha=0.25, gamma=2.0),
                dict(type="mmmaskformer.DiceLoss", loss_weight=1.0),
            ],
        ),
        ignore_index=255,
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
