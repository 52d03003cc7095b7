_base_ = "./ade20k_512.py"

from mmmaskformer.datasets.recipes import semantic_pipelines

crop_size = (640, 640)
train_pipeline, test_pipeline, tta_pipeline = semantic_pipelines(
    short_side=640, crop_size=crop_size, max_size=2560, test_max_size=2560, tta_max_size=4480
)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
