_base_ = "./maskformer/maskformer_swin-l_ade20k.py"
