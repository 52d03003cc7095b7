# Table 5: queries are matched to segments by DETR's box costs instead of by masks.
_base_ = "./maskformer_r50_coco-panoptic.py"

model = dict(
    panoptic_head=dict(
        predict_boxes=True,
        criterion=dict(
            assigner=dict(
                type="mmmaskformer.HungarianAssigner",
                costs=[
                    dict(type="mmmaskformer.ClassCost", weight=1.0),
                    dict(type="mmmaskformer.BoxL1Cost", weight=5.0),
                    dict(type="mmmaskformer.GIoUCost", weight=2.0),
                ],
            ),
            box_losses=[
                dict(type="mmmaskformer.BoxL1Loss", loss_weight=5.0),
                dict(type="mmmaskformer.GIoULoss", loss_weight=2.0),
            ],
        ),
    ),
)
