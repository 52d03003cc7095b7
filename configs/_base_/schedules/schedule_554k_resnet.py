# COCO panoptic: total batch 64, the learning rate falls to a tenth after two thirds.
_base_ = "./schedule_160k_resnet.py"

max_iters = 554400
param_scheduler = [dict(type="MultiStepLR", milestones=[369600], gamma=0.1, by_epoch=False)]
auto_scale_lr = dict(base_batch_size=64)
train_cfg = dict(max_iters=max_iters, val_interval=55440)
default_hooks = dict(
    checkpoint=dict(interval=5544, max_keep_ckpts=3),
    visualization=dict(type="DetVisualizationHook"),
)
