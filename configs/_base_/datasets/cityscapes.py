_base_ = "mmseg::_base_/datasets/cityscapes.py"

from mmmaskformer.datasets.recipes import semantic_pipelines

# CITYSCAPES_ROOT names another folder than data/cityscapes.
data_root = "{{$CITYSCAPES_ROOT:data/cityscapes}}"
crop_size = (512, 1024)
train_pipeline, test_pipeline, tta_pipeline = semantic_pipelines(
    short_side=1024, crop_size=crop_size, max_size=4096, test_max_size=2048, tta_max_size=4096, pad_label=None
)
train_dataloader = dict(
    batch_size=2,  # on each of 8 GPUs
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [dict(type="IoUMetric", iou_metrics=["mIoU"]), dict(type="mmmaskformer.SemanticPQMetric")]
test_evaluator = val_evaluator
