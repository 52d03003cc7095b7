# Drawn on first use; LONG_TAILED_SHAPES_ROOT names another folder than data/shapes-long-tailed.
_base_ = "./shapes.py"

data_root = "{{$LONG_TAILED_SHAPES_ROOT:data/shapes-long-tailed}}"
dataset = dict(
    type="mmmaskformer.LongTailedShapesDataset",
    data_root=data_root,
    # The rarest of the 120 things is seen four times in training, and 117 are seen in validation.
    generate=dict(train=2000, val=400, height=128, width=128, seed=0),
)
train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = val_dataloader
