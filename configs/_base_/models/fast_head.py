# What makes a head learn names within a short training: merge it into a model's decode_head or panoptic_head.
fast_head = dict(
    transformer_decoder=dict(type="mmmaskformer.MaskedAttentionDecoder", dropout=0.0),
    class_head=dict(type="mmmaskformer.PooledClassHead"),
    criterion=dict(class_loss=dict(type="mmmaskformer.ClassificationLoss", loss_weight=2.0)),
)
