# Vistas 1.2. The 65 classes leave out the last label, "Unlabeled", which mmseg then loads as 255.
# The paper tests on one scale; the factors of multi-scale testing here are those of the other data sets.
_base_ = "mmseg::_base_/datasets/mapillary_v1_65.py"

from mmmaskformer.datasets.recipes import semantic_pipelines

# MAPILLARY_ROOT names another folder than data/mapillary.
data_root = "{{$MAPILLARY_ROOT:data/mapillary}}"
crop_size = (1280, 1280)
train_pipeline, test_pipeline, tta_pipeline = semantic_pipelines(
    short_side=2048, crop_size=crop_size, max_size=8192, test_max_size=2048, tta_max_size=3584
)
train_dataloader = dict(
    batch_size=2,  # on each of 8 GPUs
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [dict(type="IoUMetric", iou_metrics=["mIoU"]), dict(type="mmmaskformer.SemanticPQMetric")]
test_evaluator = val_evaluator
