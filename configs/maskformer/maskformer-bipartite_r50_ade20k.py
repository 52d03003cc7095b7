# Table 4b: bipartite matching with as many queries as MaskFormer-fixed. Sec. 4.4's other ablations are options of the
# models with 100 queries and 6 decoder layers, maskformer_r50_{ade20k,coco-stuff-10k,ade20k-full}.py:
#     --cfg-options model.decode_head.num_queries=20                       (or 50, 150, 300, 1000)
#     --cfg-options model.decode_head.transformer_decoder.num_layers=1     (to 5)
_base_ = "./maskformer_r50_ade20k.py"

model = dict(decode_head=dict(num_queries=150))
