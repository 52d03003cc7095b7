# Merged into a ResNet, it makes the R101c of the reference release: DeepLab's stem of three convolutions
# with 128 channels, and dilations 1 2 4 in the blocks of the last stage, which keeps its stride 2. Its ImageNet weights
# are Detectron2's DeepLab/R-103.pkl, as tools/model_converters/convert.py writes them; open-mmlab://resnet101_v1c has a
# stem of 64 channels and does not fit.
r101c = dict(
    type="ResNetV1c",
    depth=101,
    stem_channels=128,
    multi_grid=(1, 2, 4),
    init_cfg=dict(checkpoint="pretrained/R-103.pth"),
)
