_base_ = [
    "./per-pixel-baseline_r50_coco-stuff-10k.py",
    "../_base_/models/plus_head.py",
]
model = dict(decode_head=_base_.plus_head)
