_base_ = "mmseg::_base_/datasets/coco-stuff10k.py"

from mmmaskformer.datasets.recipes import semantic_pipelines

# COCO_STUFF_10K_ROOT names another folder than data/coco_stuff10k.
data_root = "{{$COCO_STUFF_10K_ROOT:data/coco_stuff10k}}"
crop_size = (640, 640)
train_pipeline, test_pipeline, tta_pipeline = semantic_pipelines(
    short_side=640, crop_size=crop_size, max_size=2560, test_max_size=2560, tta_max_size=4480, largest=1.5
)
train_dataloader = dict(
    batch_size=4,  # on each of 8 GPUs
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [dict(type="IoUMetric", iou_metrics=["mIoU"]), dict(type="mmmaskformer.SemanticPQMetric")]
test_evaluator = val_evaluator
