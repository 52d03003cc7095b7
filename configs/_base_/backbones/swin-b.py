_base_ = "./swin-s.py"

in_channels = [128, 256, 512, 1024]
backbone = dict(
    embed_dims=128,
    num_heads=(4, 8, 16, 32),
    window_size=12,
    init_cfg=dict(
        checkpoint="https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/"
        "swin_base_patch4_window12_384_20220317-55b0104a.pth",
    ),
)
