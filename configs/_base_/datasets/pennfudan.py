# PENNFUDAN_ROOT names another folder than data/pennfudan.
_base_ = "./small.py"

data_root = "{{$PENNFUDAN_ROOT:data/pennfudan}}"
crop_size = (192, 192)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mmmaskformer.LoadPanopticAnnotations"),
    dict(
        type="RandomChoiceResize",
        scales=[168, 192, 216, 240, 264],
        resize_type="ResizeShortestEdge",
        max_size=576,
    ),
    dict(type="RandomCrop", crop_size=crop_size, allow_negative_crop=True),
    # Instances without a pixel left; keep_empty=False keeps an image that has no other.
    dict(type="FilterAnnotations", by_box=False, by_mask=True, keep_empty=False),
    dict(type="RandomFlip", prob=0.5),
    dict(type="mmseg.PhotoMetricDistortion"),
    dict(type="Pad", size=crop_size, pad_val=dict(img=128, seg=255)),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizeShortestEdge", scale=216, max_size=432),
    # After resizing: the truth keeps its own size.
    dict(type="mmmaskformer.LoadPanopticAnnotations"),
    dict(type="PackDetInputs"),
]
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
