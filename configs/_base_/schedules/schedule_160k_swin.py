_base_ = "./schedule_160k_resnet.py"

optim_wrapper = dict(
    optimizer=dict(lr=6e-5, weight_decay=0.01),
    paramwise_cfg=dict(
        # No key for the backbone, so that norm_decay_mult reaches its norms.
        custom_keys=dict(
            _delete_=True,
            query_embed=dict(decay_mult=0.0),
            relative_position_bias_table=dict(decay_mult=0.0),
            absolute_pos_embed=dict(decay_mult=0.0),
        ),
    ),
)
# The warm-up multiplies the poly schedule, which runs from iteration 0.
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-6, begin=0, end=1501, by_epoch=False),
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=160001, by_epoch=False),
]
