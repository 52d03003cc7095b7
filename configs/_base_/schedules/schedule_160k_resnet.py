# Total batch 16. A schedule of MMEngine is at its last value one iteration before `end`, so 1 is added: the learning
# rate of iteration i is then exactly that of the reference release, (1 - i / max_iters) ** 0.9.
max_iters = 160000
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-4, weight_decay=1e-4),
    clip_grad=dict(max_norm=0.01, norm_type=2),
    # A parameter that a custom key hits escapes norm_decay_mult; the backbone's norms are frozen, so none is hit.
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys={"backbone": dict(lr_mult=0.1), "query_embed": dict(decay_mult=0.0)},
    ),
)
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=max_iters + 1, by_epoch=False)]
auto_scale_lr = dict(enable=False, base_batch_size=16)
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=16000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=16000),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="SegVisualizationHook"),
)
