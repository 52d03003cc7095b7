# mmdet's own MaskFormer under the recipe of maskformer_efficientnet-lite0_pennfudan, for comparison. Ground truth
# is loaded and panoptic quality computed by our transform and metric: mmdet's own need panopticapi.
_base_ = "../maskformer/maskformer_efficientnet-lite0_pennfudan.py"

num_classes = 2
attention = dict(embed_dims=128, num_heads=8, dropout=0.0, batch_first=True)
model = dict(
    type="MaskFormer",
    panoptic_head=dict(
        _delete_=True,
        type="MaskFormerHead",
        in_channels=_base_.in_channels,
        feat_channels=128,
        out_channels=128,
        num_things_classes=1,
        num_stuff_classes=1,
        num_queries=20,
        pixel_decoder=dict(type="PixelDecoder", norm_cfg=dict(type="GN", num_groups=32), act_cfg=dict(type="ReLU")),
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
                    ffn_drop=0.0,
                    act_cfg=dict(type="ReLU", inplace=True),
                ),
            ),
            init_cfg=None,
        ),
        loss_cls=dict(
            type="CrossEntropyLoss",
            use_sigmoid=False,
            loss_weight=1.0,
            reduction="mean",
            class_weight=[1.0] * num_classes + [0.1],
        ),
        loss_mask=dict(type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25, reduction="mean", loss_weight=20.0),
        loss_dice=dict(
            type="DiceLoss",
            use_sigmoid=True,
            activate=True,
            reduction="mean",
            naive_dice=True,
            eps=1.0,
            loss_weight=1.0,
        ),
    ),
    panoptic_fusion_head=dict(
        type="MaskFormerFusionHead", num_things_classes=1, num_stuff_classes=1, loss_panoptic=None, init_cfg=None
    ),
    train_cfg=dict(
        assigner=dict(
            type="HungarianAssigner",
            match_costs=[
                dict(type="ClassificationCost", weight=1.0),
                dict(type="FocalLossCost", weight=20.0, binary_input=True),
                dict(type="DiceCost", weight=1.0, pred_act=True, eps=1.0),
            ],
        ),
        sampler=dict(type="MaskPseudoSampler"),
    ),
    # It has no semantic output, and fails where it has to take more pairs than 20 queries x 2 classes.
    test_cfg=dict(semantic_on=False, max_per_image=40, filter_low_score=False),
)
val_evaluator = _base_.val_evaluator[:2]
test_evaluator = val_evaluator
