# The paper tests on one scale; the factors of multi-scale testing here are those of ADE20K.
_base_ = "./ade20k_512.py"

from mmmaskformer.datasets.recipes import semantic_pipelines

# ADE20K_FULL_ROOT names another folder than data/ade20k_full, which tools/dataset_converters/ade20k_full.py makes.
data_root = "{{$ADE20K_FULL_ROOT:data/ade20k_full}}"
dataset_type = "mmmaskformer.ADE20KFullDataset"
ignore_index = 65535
train_pipeline, test_pipeline, tta_pipeline = semantic_pipelines(
    short_side=512,
    crop_size=_base_.crop_size,
    max_size=2048,
    test_max_size=2048,
    tta_max_size=3584,
    pad_label=ignore_index,
    load_labels="mmmaskformer.LoadWideAnnotations",
)
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [dict(metric, ignore_index=ignore_index) for metric in _base_.val_evaluator]
test_evaluator = val_evaluator
