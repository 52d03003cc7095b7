_base_ = [
    "../maskformer/maskformer_efficientnet-lite0_shapes.py",
    "../_base_/models/fast_head.py",
]
model = dict(decode_head=_base_.fast_head)
