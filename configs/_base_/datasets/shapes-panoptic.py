# Drawn on first use; SHAPES_ROOT names another folder than data/shapes. The folder of the semantic data set.
_base_ = "./loaders.py"

data_root = "{{$SHAPES_ROOT:data/shapes}}"
generate = dict(train=1000, val=100, height=128, width=128, seed=0)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mmmaskformer.LoadPanopticAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mmmaskformer.LoadPanopticAnnotations"),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(
    dataset=dict(
        type="mmmaskformer.ShapesPanopticDataset",
        data_root=data_root,
        generate=generate,
        ann_file="panoptic_train.json",
        data_prefix=dict(img="images/train", seg="panoptic/train"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        type="mmmaskformer.ShapesPanopticDataset",
        data_root=data_root,
        generate=generate,
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
