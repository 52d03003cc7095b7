_base_ = "./schedule_160k_swin.py"

max_iters = 554400
# The warm-up multiplies the steps, which are counted from iteration 0.
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-6, begin=0, end=1501, by_epoch=False),
    dict(type="MultiStepLR", milestones=[369600], gamma=0.1, by_epoch=False),
]
auto_scale_lr = dict(base_batch_size=64)
train_cfg = dict(max_iters=max_iters, val_interval=55440)
default_hooks = dict(
    checkpoint=dict(interval=5544, max_keep_ckpts=3),
    visualization=dict(type="DetVisualizationHook"),
)
