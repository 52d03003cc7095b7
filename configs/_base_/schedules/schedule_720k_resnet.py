# ADE20K panoptic: the 160k schedule, longer.
_base_ = "./schedule_160k_resnet.py"

max_iters = 720000
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)]
train_cfg = dict(max_iters=max_iters, val_interval=72000)
default_hooks = dict(
    checkpoint=dict(interval=7200, max_keep_ckpts=3),
    visualization=dict(type="DetVisualizationHook"),
)
