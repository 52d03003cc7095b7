data_root = "data/coco"
max_size = 1333
short_sides = list(range(480, 801, 32))
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mmmaskformer.LoadPanopticAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    # DETR's: half of the images are cropped before they are resized.
    dict(
        type="RandomChoice",
        transforms=[
            [dict(type="RandomChoiceResize", scales=short_sides, resize_type="ResizeShortestEdge", max_size=max_size)],
            [
                dict(type="RandomChoiceResize", scales=[400, 500, 600], resize_type="ResizeShortestEdge"),
                dict(type="RandomCrop", crop_type="absolute_range", crop_size=(384, 600), allow_negative_crop=True),
                dict(
                    type="RandomChoiceResize", scales=short_sides, resize_type="ResizeShortestEdge", max_size=max_size
                ),
            ],
        ],
    ),
    # Instances without a pixel left; keep_empty=False keeps an image that has no other.
    dict(type="FilterAnnotations", by_box=False, by_mask=True, keep_empty=False),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizeShortestEdge", scale=800, max_size=1333),
    # After resizing: the truth keeps its own size.
    dict(type="mmmaskformer.LoadPanopticAnnotations"),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(
    batch_size=8,  # on each of 8 GPUs
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
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
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
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
