# Made by mmdet's tools/dataset_converters/ade20k2coco.py data/ade/ADEChallengeData2016 --task panoptic
_base_ = "./loaders.py"

from mmmaskformer.datasets.recipes import panoptic_pipelines, tenths

data_root = "data/ade/ADEChallengeData2016"
crop_size = (640, 640)
train_pipeline, test_pipeline = panoptic_pipelines(
    short_sides=tenths(640),
    crop_size=crop_size,
    max_size=2560,
    test_side=640,
    test_max_size=2560,
    # mIoU is taken on ADE20K's own label maps, as by the release.
    load_label_map="mmmaskformer.LoadADE20KLabelMap",
)
train_dataloader = dict(
    batch_size=2,  # on each of 8 GPUs
    num_workers=4,
    dataset=dict(
        type="mmmaskformer.CheckedADE20KPanopticDataset",
        data_root=data_root,
        ann_file="ade20k_panoptic_train.json",
        data_prefix=dict(img="images/training", seg="ade20k_panoptic_train"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    num_workers=4,
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
