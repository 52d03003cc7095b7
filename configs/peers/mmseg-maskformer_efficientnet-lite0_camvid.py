# mmseg's own MaskFormerHead under the recipe of maskformer_efficientnet-lite0_camvid, for comparison.
# On padded images that head stretches its masks by up to 0.4 % here; a version without that scored the same.
_base_ = [
    "../_base_/models/efficientnet-lite0.py",
    "../_base_/datasets/camvid.py",
    "../_base_/schedules/schedule_camvid.py",
    "../_base_/default_runtime.py",
]
num_classes = 11
attention = dict(embed_dims=128, num_heads=8, attn_drop=0.1, proj_drop=0.1, dropout_layer=None, batch_first=True)
model = dict(
    decode_head=dict(
        type="MaskFormerHead",
        in_channels=_base_.in_channels,
        in_index=[0, 1, 2, 3],
        feat_channels=128,
        out_channels=128,
        num_classes=num_classes,
        num_queries=50,
        pixel_decoder=dict(
            type="mmdet.PixelDecoder", norm_cfg=dict(type="GN", num_groups=32), act_cfg=dict(type="ReLU")
        ),
        enforce_decoder_input_project=True,
        positional_encoding=dict(num_feats=64, normalize=True),
        transformer_decoder=dict(
            return_intermediate=True,
            num_layers=6,
            layer_cfg=dict(
                self_attn_cfg=attention,
                cross_attn_cfg=attention,
                ffn_cfg=dict(
                    embed_dims=128,
                    feedforward_channels=512,
                    num_fcs=2,
                    act_cfg=dict(type="ReLU", inplace=True),
                    ffn_drop=0.1,
                    dropout_layer=None,
                    add_identity=True,
                ),
            ),
            init_cfg=None,
        ),
        loss_cls=dict(
            type="mmdet.CrossEntropyLoss",
            use_sigmoid=False,
            loss_weight=1.0,
            reduction="mean",
            class_weight=[1.0] * num_classes + [0.1],
        ),
        loss_mask=dict(
            type="mmdet.FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25, reduction="mean", loss_weight=20.0
        ),
        loss_dice=dict(
            type="mmdet.DiceLoss",
            use_sigmoid=True,
            activate=True,
            reduction="mean",
            naive_dice=True,
            eps=1.0,
            loss_weight=1.0,
        ),
        train_cfg=dict(
            assigner=dict(
                type="mmdet.HungarianAssigner",
                match_costs=[
                    dict(type="mmdet.ClassificationCost", weight=1.0),
                    dict(type="mmdet.FocalLossCost", weight=20.0, binary_input=True),
                    dict(type="mmdet.DiceCost", weight=1.0, pred_act=True, eps=1.0),
                ],
            ),
            sampler=dict(type="mmdet.MaskPseudoSampler"),
        ),
    ),
)
