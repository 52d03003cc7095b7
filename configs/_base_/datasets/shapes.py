# Drawn on first use; SHAPES_ROOT names another folder than data/shapes.
_base_ = "./loaders.py"

data_root = "{{$SHAPES_ROOT:data/shapes}}"
generate = dict(train=1000, val=100, height=128, width=128, seed=0)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="LoadAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]
train_dataloader = dict(
    dataset=dict(
        type="mmmaskformer.ShapesDataset",
        data_root=data_root,
        generate=generate,
        data_prefix=dict(img_path="images/train", seg_map_path="annotations/train"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        type="mmmaskformer.ShapesDataset",
        data_root=data_root,
        generate=generate,
        data_prefix=dict(img_path="images/val", seg_map_path="annotations/val"),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type="IoUMetric", iou_metrics=["mIoU"]), dict(type="mmmaskformer.SemanticPQMetric")]
test_evaluator = val_evaluator
