# Parts of a few thousand weights, for every small model of the tests.
in_channels = [4, 8, 16, 32]
# avg_down: on processors without AVX-512 the backward pass of torch 2.14.1's strided 1x1 convolution writes out of
# bounds where channels come last and are no multiple of 8, as 4 are.
backbone = dict(type="ResNet", depth=18, base_channels=4, stem_channels=4, avg_down=True, norm_cfg=dict(type="BN"))
pixel_decoder = dict(type="mmmaskformer.FPNPixelDecoder", norm_groups=4)
# With dropout, half of the short trainings fail.
transformer_decoder = dict(
    type="mmmaskformer.TransformerDecoder", num_layers=1, num_heads=2, feedforward_channels=16, dropout=0.0
)
