in_channels = [96, 192, 384, 768]
backbone = dict(
    # mmseg's in mmdet's models, too: mmdet's finds no weight in these files and says nothing.
    type="mmseg.SwinTransformer",
    embed_dims=96,
    depths=(2, 2, 6, 2),
    num_heads=(3, 6, 12, 24),
    window_size=7,
    drop_path_rate=0.3,
    init_cfg=dict(
        type="Pretrained",
        checkpoint="https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/"
        "swin_tiny_patch4_window7_224_20220317-1cdeb081.pth",
    ),
)
