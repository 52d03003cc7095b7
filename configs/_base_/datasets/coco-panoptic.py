_base_ = "./loaders.py"

from mmmaskformer.datasets.recipes import coco_pipelines

data_root = "data/coco"
train_pipeline, test_pipeline = coco_pipelines()
train_dataloader = dict(
    batch_size=8,  # on each of 8 GPUs
    num_workers=4,
    batch_sampler=dict(type="AspectRatioBatchSampler"),
    dataset=dict(
        type="mmmaskformer.CheckedPanopticDataset",
        data_root=data_root,
        ann_file="annotations/panoptic_train2017.json",
        data_prefix=dict(img="train2017", seg="annotations/panoptic_train2017"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    num_workers=4,
    dataset=dict(
        type="mmmaskformer.CheckedPanopticDataset",
        data_root=data_root,
        ann_file="annotations/panoptic_val2017.json",
        data_prefix=dict(img="val2017", seg="annotations/panoptic_val2017"),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type="mmmaskformer.PanopticQualityMetric",
    ann_file=f"{data_root}/annotations/panoptic_val2017.json",
    seg_prefix=f"{data_root}/annotations/panoptic_val2017",
)
test_evaluator = val_evaluator
