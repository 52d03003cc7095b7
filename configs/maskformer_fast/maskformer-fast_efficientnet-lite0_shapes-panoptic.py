_base_ = [
    "../maskformer/maskformer_efficientnet-lite0_shapes-panoptic.py",
    "../_base_/models/fast_head.py",
]
model = dict(panoptic_head=_base_.fast_head)
