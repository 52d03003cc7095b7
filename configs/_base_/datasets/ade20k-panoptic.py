# Made by mmdet's tools/dataset_converters/ade20k2coco.py data/ade/ADEChallengeData2016 --task panoptic
data_root = "data/ade/ADEChallengeData2016"
crop_size = (640, 640)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mmmaskformer.LoadPanopticAnnotations"),
    dict(
        type="RandomChoiceResize",
        scales=[int(step * 0.1 * 640) for step in range(5, 21)],
        resize_type="ResizeShortestEdge",
        max_size=2560,
    ),
    dict(type="RandomCrop", crop_size=crop_size, allow_negative_crop=True),
    # Instances without a pixel left; keep_empty=False keeps an image that has no other.
    dict(type="FilterAnnotations", by_box=False, by_mask=True, keep_empty=False),
    dict(type="RandomFlip", prob=0.5),
    # mmseg's, as the release has it; mmdet's swaps color channels, too.
    dict(type="mmseg.PhotoMetricDistortion"),
    # Before normalization, so here and not in the data preprocessor, which pads what it has normalized.
    dict(type="Pad", size=crop_size, pad_val=dict(img=128, seg=255)),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizeShortestEdge", scale=640, max_size=2560),
    # After resizing: the truth keeps its own size.
    dict(type="mmmaskformer.LoadPanopticAnnotations"),
    # mIoU is taken on ADE20K's own label maps, as by the release.
    dict(type="mmmaskformer.LoadADE20KLabelMap"),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(
    batch_size=2,  # on each of 8 GPUs
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="mmmaskformer.CheckedADE20KPanopticDataset",
        data_root=data_root,
        ann_file="ade20k_panoptic_train.json",
        data_prefix=dict(img="images/training", seg="ade20k_panoptic_train"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="mmmaskformer.CheckedADE20KPanopticDataset",
        data_root=data_root,
        ann_file="ade20k_panoptic_val.json",
        data_prefix=dict(img="images/validation", seg="ade20k_panoptic_val", sem="annotations/validation"),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(
        type="mmmaskformer.PanopticQualityMetric",
        ann_file=f"{data_root}/ade20k_panoptic_val.json",
        seg_prefix=f"{data_root}/ade20k_panoptic_val",
    ),
    dict(type="SemSegMetric", iou_metrics=["mIoU"]),
]
test_evaluator = val_evaluator
