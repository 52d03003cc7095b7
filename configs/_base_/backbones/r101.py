_base_ = "./r50.py"

backbone = dict(depth=101, init_cfg=dict(checkpoint="torchvision://resnet101"))
