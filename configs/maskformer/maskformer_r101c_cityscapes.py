_base_ = [
    "./maskformer_r101_cityscapes.py",
    "../_base_/backbones/r101c.py",
]
model = dict(backbone=_base_.r101c)
