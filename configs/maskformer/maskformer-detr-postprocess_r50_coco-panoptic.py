# The paper's "MaskFormer (DETR)": the same model and weights, its segments made as DETR makes them.
_base_ = "./maskformer_r50_coco-panoptic.py"

model = dict(test_cfg=dict(postprocess="detr", object_mask_thr=0.85))
