# PENNFUDAN_ROOT names another folder than data/pennfudan.
_base_ = "./loaders.py"

from mmmaskformer.datasets.recipes import panoptic_pipelines

data_root = "{{$PENNFUDAN_ROOT:data/pennfudan}}"
crop_size = (192, 192)
train_pipeline, test_pipeline = panoptic_pipelines(
    short_sides=[168, 192, 216, 240, 264], crop_size=crop_size, max_size=576, test_side=216, test_max_size=432
)
train_dataloader = dict(
    dataset=dict(
        type="mmmaskformer.PennFudanDataset",
        data_root=data_root,
        ann_file="panoptic_train.json",
        data_prefix=dict(img="images/train", seg="panoptic/train"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        type="mmmaskformer.PennFudanDataset",
        data_root=data_root,
        ann_file="panoptic_val.json",
        data_prefix=dict(img="images/val", seg="panoptic/val"),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
truth = dict(ann_file=f"{data_root}/panoptic_val.json", seg_prefix=f"{data_root}/panoptic/val")
val_evaluator = [
    dict(type="mmmaskformer.PanopticQualityMetric", classwise=True, **truth),
    dict(type="mmmaskformer.PanopticInstanceMetric", **truth),
    dict(type="SemSegMetric", iou_metrics=["mIoU"]),
]
test_evaluator = val_evaluator
