# COCO's own instances, which may overlap, instead of the things of its panoptic segments.
_base_ = "./coco-panoptic.py"

from mmmaskformer.datasets.recipes import coco_pipelines

train_pipeline, test_pipeline = coco_pipelines(load=dict(type="LoadAnnotations", with_bbox=True, with_mask=True))
train_dataloader = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file="annotations/instances_train2017.json",
        data_prefix=dict(_delete_=True, img="train2017"),
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file="annotations/instances_val2017.json",
        data_prefix=dict(_delete_=True, img="val2017"),
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(
    _delete_=True, type="CocoMetric", ann_file=f"{_base_.data_root}/annotations/instances_val2017.json", metric="segm"
)
test_evaluator = val_evaluator
