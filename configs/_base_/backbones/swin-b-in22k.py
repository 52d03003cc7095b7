_base_ = "./swin-b.py"

backbone = dict(
    init_cfg=dict(
        checkpoint="https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/"
        "swin_base_patch4_window12_384_22k_20220317-e5c09f74.pth",
    ),
)
