_base_ = [
    "../maskformer/maskformer_swin-l_ade20k.py",
    "../_base_/models/fast_head.py",
]
model = dict(decode_head=_base_.fast_head)
