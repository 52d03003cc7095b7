# Sec. 4.4: MaskFormer's mask losses on PerPixelBaseline+, to see whether its gain comes from them. The paper does not
# say how they are combined; here cross-entropy stays, since mask losses teach a class nothing about images without it.
_base_ = "./per-pixel-baseline-plus_r50_ade20k.py"

model = dict(
    decode_head=dict(
        mask_losses=[
            dict(type="mmmaskformer.FocalLoss", loss_weight=20.0, alpha=0.25, gamma=2.0),
            dict(type="mmmaskformer.DiceLoss", loss_weight=1.0),
        ]
    )
)
