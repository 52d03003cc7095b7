"""One model, three tasks: trained once on Shapes, evaluated by PQ, AP and mIoU at once, on one process and on two.

The model learns five images by heart and is evaluated on them: that takes seconds, and things are found too.
"""

import json
import re
from pathlib import Path

import pytest
import torch
from launching import ROOT, run_tool, run_tool_on_ranks
from mmengine.registry import MODELS, init_default_scope

from mmmaskformer.runs import load_config

CONFIG = """
_base_ = "{configs}/maskformer/maskformer_efficientnet-lite0_shapes-panoptic.py"
generate = dict(train=5, val=1, height=64, width=64, seed=0)
model = dict(
    backbone=dict(
        _delete_=True, type="ResNet", depth=18, base_channels=16, stem_channels=16, norm_eval=True,
        zero_init_residual=False,
    ),
    panoptic_head=dict(
        in_channels=[16, 32, 64, 128], num_queries=12, channels=32, pixel_decoder=dict(norm_groups=4),
        transformer_decoder=dict(num_layers=2, num_heads=2, feedforward_channels=64, dropout=0.0),
    ),
    test_cfg=dict(object_mask_thr=0.15, iou_thr=0.3, max_per_image=20),
)
load = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root="shapes", generate=generate))
# No augmentation: its random numbers would differ between one process and two.
train_dataloader = dict(batch_size=4, **load)
train_dataloader["dataset"] = dict(pipeline=_base_.test_pipeline, **load["dataset"])
val_dataloader = dict(**load)
val_dataloader["dataset"] = dict(
    ann_file="panoptic_train.json", data_prefix=dict(img="images/train", seg="panoptic/train"), **load["dataset"]
)
test_dataloader = val_dataloader
truth = dict(ann_file="shapes/panoptic_train.json", seg_prefix="shapes/panoptic/train")
val_evaluator = [
    dict(type="mmmaskformer.PanopticQualityMetric", **truth),
    dict(type="mmmaskformer.PanopticInstanceMetric", **truth),
    dict(type="SemSegMetric", iou_metrics=["mIoU"]),
]
test_evaluator = val_evaluator
max_iters = 300
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=max_iters, by_epoch=False)]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(interval=max_iters))
"""
# Eight steps from what is learned. Plain gradient descent: Adam's division by the gradients' size would hide a wrong
# scale and blow up the last bits, in which sums of two processes differ; so would a larger learning rate.
FEW_STEPS = """
_base_ = "tasks.py"
load_from = "work_dirs/tasks/iter_300.pth"
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="SGD", lr=1e-4), clip_grad=None, paramwise_cfg=dict(_delete_=True)
)
param_scheduler = []
train_cfg = dict(max_iters=8, val_interval=8)
default_hooks = dict(checkpoint=dict(interval=8))
"""
METRICS = ("coco_panoptic/PQ", "coco/segm_mAP", "mIoU")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training's folder: ``tasks.py`` and ``work_dirs/tasks``."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "tasks.py").write_text(CONFIG.format(configs=ROOT / "configs"))
    done = run_tool("train.py", "tasks.py", cwd=folder)
    assert done.returncode == 0, done.stdout
    return folder


def records(work_dir: Path) -> list[dict]:
    """What the runs of a work folder recorded, the oldest first."""
    lines = [line for file in sorted(work_dir.glob("*/vis_data/*.json")) for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def metrics(work_dir: Path) -> dict[str, float]:
    """The last evaluation that a run of a work folder recorded."""
    found = next(record for record in reversed(records(work_dir)) if METRICS[0] in record)
    return {name: value for name, value in found.items() if re.match(r"coco|mIoU|aAcc", name)}


def weights(checkpoint: Path) -> torch.Tensor:
    """All weights of a checkpoint in one vector."""
    state = torch.load(checkpoint, weights_only=False)["state_dict"]
    return torch.cat([value.double().flatten() for value in state.values()])


def test_one_training_gives_panoptic_instance_and_semantic_results(folder: Path) -> None:
    found = metrics(folder / "work_dirs" / "tasks")
    assert set(METRICS) <= found.keys()
    # Nine tenths of both PQs and of mIoU and an AP of 0.6 are usual.
    least = {"coco_panoptic/PQ_th": 60, "coco_panoptic/PQ_st": 60, "coco/segm_mAP": 0.3, "mIoU": 60}
    assert all(found[metric] > bound for metric, bound in least.items()), f"too little was learned: {found}"


def test_two_processes_evaluate_to_the_same_numbers_though_the_images_do_not_divide(folder: Path) -> None:
    checkpoint = "work_dirs/tasks/iter_300.pth"
    done = run_tool_on_ranks("test.py", "tasks.py", checkpoint, "--work-dir", "both", ranks=2, cwd=folder)
    assert done.returncode == 0, done.stdout
    (written,) = (folder / "both").glob("*/*.json")
    both = json.loads(written.read_text())
    one = metrics(folder / "work_dirs" / "tasks")
    assert {name: both[name] for name in one} == pytest.approx(one, abs=1e-4, nan_ok=True)


def test_two_processes_train_to_the_quality_of_one_with_the_doubled_batch(folder: Path) -> None:
    (folder / "few.py").write_text(FEW_STEPS)
    one = run_tool("train.py", "few.py", "--work-dir", "one", cwd=folder)
    halved = ("--cfg-options", "train_dataloader.batch_size=2")
    two = run_tool_on_ranks("train.py", "few.py", "--work-dir", "two", *halved, ranks=2, cwd=folder)
    assert (one.returncode, two.returncode) == (0, 0), one.stdout + two.stdout
    assert metrics(folder / "two") == pytest.approx(metrics(folder / "one"), abs=0.1, nan_ok=True)
    start = weights(folder / "work_dirs" / "tasks" / "iter_300.pth")
    step = weights(folder / "one" / "iter_8.pth") - start
    other = weights(folder / "two" / "iter_8.pth") - start
    assert step.norm() > 0, "nothing was learned"
    assert (other - step).norm() / step.norm() < 0.02


def test_the_checkpoint_gives_mmsegs_model_the_same_semantic_scores(folder: Path) -> None:
    cfg = load_config(folder / "tasks.py")
    detector = MODELS.build(cfg.model).eval()
    learned = torch.load(folder / "work_dirs" / "tasks" / "iter_300.pth", weights_only=False)["state_dict"]
    detector.load_state_dict(learned)
    head = cfg.model.panoptic_head
    things, stuff = head.pop("num_things_classes"), head.pop("num_stuff_classes")
    head.update(type="mmmaskformer.MaskFormerHead", num_classes=things + stuff)
    segmentor = dict(type="mmmaskformer.MaskFormerSegmentor", backbone=cfg.model.backbone, decode_head=head)
    init_default_scope("mmseg")
    model = MODELS.build(segmentor).eval()
    model.load_state_dict({name.replace("panoptic_head.", "decode_head."): value for name, value in learned.items()})
    size = (64, 64)
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    meta = dict(img_shape=size, pad_shape=size, ori_shape=size, batch_input_shape=size)
    with torch.no_grad():
        from mmdet.structures import DetDataSample

        from mmmaskformer.core.inference import semantic_scores

        samples = [DetDataSample(metainfo=dict(meta)) for _ in image]
        theirs = semantic_scores(detector.panoptic_head(detector.extract_feat(image), samples), size)
        assert torch.equal(model.encode_decode(image, [meta] * 2), theirs)
