_base_ = "./maskformer_efficientnet-lite0_shapes.py"

model = dict(
    decode_head=dict(
        num_queries=10,
        criterion=dict(assigner=dict(type="mmmaskformer.FixedAssigner")),
    )
)
