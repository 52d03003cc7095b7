# Swin-L is trained on smaller images.
_base_ = "./coco-panoptic.py"

from mmmaskformer.datasets.recipes import coco_pipelines

train_pipeline, test_pipeline = coco_pipelines(max_size=1000)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
