_base_ = [
    "./_base_/models/maskformer_swin-t.py",
    "./_base_/datasets/ade20k_640.py",
    "./_base_/schedules/schedule_160k_swin.py",
    "./_base_/default_runtime.py",
]

model = dict(
    data_preprocessor=dict(size=(640, 640)),
    backbone=dict(
        embed_dims=128,
        depths=(2, 2, 18, 2),
        num_heads=(4, 8, 16, 32),
        window_size=12,
        init_cfg=dict(
            checkpoint="https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/"
            "swin_base_patch4_window12_384_20220317-55b0104a.pth",
        ),
    ),
    decode_head=dict(in_channels=[128, 256, 512, 1024]),
)
