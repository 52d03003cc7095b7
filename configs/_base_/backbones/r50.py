in_channels = [256, 512, 1024, 2048]
backbone = dict(
    type="ResNet",
    depth=50,
    frozen_stages=-1,
    # The release's frozen batch norms train neither statistics nor weights, in every stage.
    norm_cfg=dict(type="BN", requires_grad=False),
    norm_eval=True,
    style="pytorch",
    init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50"),
)
