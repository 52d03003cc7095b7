_base_ = [
    "../maskformer/maskformer_efficientnet-lite0_shapes-long-tailed.py",
    "../_base_/models/fast_head.py",
]
model = dict(
    decode_head=dict(_base_.fast_head, transformer_decoder=dict(_base_.fast_head.transformer_decoder, num_layers=6))
)
