# The semantic model's own numbers behind mmdet: what differs is what mmdet calls things.
_base_ = "./maskformer.py"

model = dict(
    _delete_=True,
    type="mmmaskformer.MaskFormer",
    data_preprocessor=dict(
        type="DetDataPreprocessor",
        mean=_base_.model.data_preprocessor.mean,
        std=_base_.model.data_preprocessor.std,
        bgr_to_rgb=True,
        pad_size_divisor=1,
        pad_mask=True,
        mask_pad_value=0,
        pad_seg=True,
        seg_pad_value=255,
    ),
    panoptic_head=dict(
        type="mmmaskformer.MaskFormerPanopticHead",
        num_things_classes=80,
        num_stuff_classes=53,
        num_queries=_base_.model.decode_head.num_queries,
        channels=_base_.model.decode_head.channels,
        pixel_decoder=_base_.model.decode_head.pixel_decoder,
        transformer_decoder=_base_.model.decode_head.transformer_decoder,
        criterion=_base_.model.decode_head.criterion,
        ignore_index=255,
    ),
    test_cfg=dict(panoptic_on=True, instance_on=False, semantic_on=False, object_mask_thr=0.8, iou_thr=0.8),
)
