_base_ = "../backbones/efficientnet-lite0.py"

data_preprocessor = dict(
    type="SegDataPreProcessor",
    size=(256, 256),
    mean=[127.5, 127.5, 127.5],
    std=[127.5, 127.5, 127.5],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    test_cfg=dict(size_divisor=32),
)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=data_preprocessor,
    backbone=_base_.backbone,
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
