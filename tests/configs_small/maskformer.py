# A MaskFormer that segments an image in a tenth of a second.
_base_ = "./fcn.py"

model = dict(
    type="mmmaskformer.MaskFormerSegmentor",
    data_preprocessor=dict(test_cfg=dict(size_divisor=32)),
    decode_head=dict(
        _delete_=True,
        type="mmmaskformer.MaskFormerHead",
        in_channels=_base_.in_channels,
        num_classes=19,
        num_queries=5,
        channels=16,
        pixel_decoder=_base_.pixel_decoder,
        transformer_decoder=_base_.transformer_decoder,
    ),
)
