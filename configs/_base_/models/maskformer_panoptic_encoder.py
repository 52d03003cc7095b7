# Panoptic models with a ResNet: six encoder layers over the last stage, whose output is what the decoder attends to.
_base_ = "./maskformer_panoptic.py"

model = dict(
    panoptic_head=dict(
        pixel_decoder=dict(
            type="mmmaskformer.TransformerEncoderPixelDecoder",
            encoder=dict(
                type="mmmaskformer.TransformerEncoder",
                num_layers=6,
                num_heads=8,
                feedforward_channels=2048,
                dropout=0.1,
            ),
        ),
    ),
)
