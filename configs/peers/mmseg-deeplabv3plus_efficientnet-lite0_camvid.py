# mmseg's DeepLabV3+ under the recipe of maskformer_efficientnet-lite0_camvid, for comparison: as wide as the
# other heads on this backbone, which is dilated to stride 16, with the rates of that stride.
_base_ = "./mmseg-upernet_efficientnet-lite0_camvid.py"

model = dict(
    backbone=dict(out_indices=(1, 2, 3, 4), model_args=dict(output_stride=16)),
    decode_head=dict(
        _delete_=True,
        type="DepthwiseSeparableASPPHead",
        in_channels=320,
        in_index=3,
        channels=128,
        dilations=(1, 6, 12, 18),
        c1_in_channels=24,
        c1_channels=48,
        dropout_ratio=0.1,
        num_classes=11,
        norm_cfg=_base_.norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", loss_weight=1.0),
    ),
)
