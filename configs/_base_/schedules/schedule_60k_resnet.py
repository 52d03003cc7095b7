# Total batch 32.
_base_ = "./schedule_160k_resnet.py"

max_iters = 60000
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters // 10)
default_hooks = dict(checkpoint=dict(interval=max_iters // 10))
auto_scale_lr = dict(base_batch_size=32)
