_base_ = [
    "../maskformer/maskformer_r50_coco-instance.py",
    "../_base_/models/fast_head.py",
]
model = dict(panoptic_head=_base_.fast_head)
