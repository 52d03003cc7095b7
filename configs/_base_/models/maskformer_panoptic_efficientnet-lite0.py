_base_ = ["./maskformer_panoptic.py", "../backbones/efficientnet-lite0.py"]

model = dict(
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5], pad_size_divisor=32),
    backbone=_base_.backbone,
    panoptic_head=dict(
        in_channels=_base_.in_channels,
        num_queries=50,
        channels=128,
        transformer_decoder=dict(feedforward_channels=512),
    ),
    # Everything from one forward; a short training ends less confident than the paper's.
    test_cfg=dict(instance_on=True, semantic_on=True, object_mask_thr=0.5),
)
