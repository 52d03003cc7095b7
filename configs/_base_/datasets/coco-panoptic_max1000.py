# Swin-L is trained on smaller images.
_base_ = "./coco-panoptic.py"

resize = dict(type="RandomChoiceResize", scales=_base_.short_sides, resize_type="ResizeShortestEdge", max_size=1000)
train_pipeline = [
    *_base_.train_pipeline[:3],
    dict(type="RandomChoice", transforms=[[resize], [*_base_.train_pipeline[3].transforms[1][:2], resize]]),
    *_base_.train_pipeline[4:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
