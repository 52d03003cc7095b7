# mmseg's UPerNet under the recipe of maskformer_efficientnet-lite0_camvid, for comparison: its R50 config's heads
# at a quarter of their width, so as wide as the other heads on this backbone.
_base_ = [
    "../_base_/models/efficientnet-lite0.py",
    "../_base_/datasets/camvid.py",
    "../_base_/schedules/schedule_camvid.py",
    "../_base_/default_runtime.py",
]
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    decode_head=dict(
        type="UPerHead",
        in_channels=_base_.in_channels,
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=128,
        dropout_ratio=0.1,
        num_classes=11,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", loss_weight=1.0),
    ),
    auxiliary_head=dict(
        type="FCNHead",
        in_channels=112,
        in_index=2,
        channels=64,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=11,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", loss_weight=0.4),
    ),
)
