_base_ = [
    "./maskformer_r50_coco-stuff-10k.py",
    "../_base_/backbones/r101c.py",
]
model = dict(backbone=_base_.r101c)
