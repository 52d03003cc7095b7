_base_ = "./small.py"

max_iters = 650
optim_wrapper = dict(optimizer=dict(lr=8e-4))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, begin=0, end=30, by_epoch=False),
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=30, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(
    logger=dict(interval=25),
    checkpoint=dict(interval=325, max_keep_ckpts=1),
    visualization=dict(type="SegVisualizationHook"),
)
