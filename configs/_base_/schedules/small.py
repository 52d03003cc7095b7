# What the short schedules for one machine without a GPU have in common.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", weight_decay=0.01),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)
train_cfg = dict(type="IterBasedTrainLoop")
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
randomness = dict(seed=0)
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, max_keep_ckpts=2),
    sampler_seed=dict(type="DistSamplerSeedHook"),
)
