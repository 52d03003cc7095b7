_base_ = "./maskformer_r50_coco-stuff-10k.py"

model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint="torchvision://resnet101")))
