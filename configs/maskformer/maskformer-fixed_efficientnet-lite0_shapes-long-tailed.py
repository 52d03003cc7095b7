_base_ = "./maskformer_efficientnet-lite0_shapes-long-tailed.py"

model = dict(
    decode_head=dict(
        num_queries=125,
        criterion=dict(assigner=dict(type="mmmaskformer.FixedAssigner")),
    )
)
