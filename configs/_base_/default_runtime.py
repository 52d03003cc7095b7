_base_ = "mmseg::_base_/default_runtime.py"

custom_imports = dict(imports=["mmmaskformer"], allow_failed_imports=False)
env_cfg = dict(cudnn_benchmark=False)
# mmseg's own puts a softmax on scores that are probabilities already.
tta_model = dict(type="mmmaskformer.SemanticTTAModel")

visualizer = dict(type="mmmaskformer.SegmentationVisualizer")
