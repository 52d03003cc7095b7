"""The paper's configs train and predict on files in ADE20K's layout; only the images are smaller."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
NAMES = [
    "maskformer_r50_ade20k",
    "maskformer_swin-t_ade20k",
    "per-pixel-baseline_r50_ade20k",
    "per-pixel-baseline-plus_r50_ade20k",
]
SIDE = 64


def small_config(name: str, data_root: Path) -> Config:
    """The config on images of 64 pixels and without pretrained weights, which would be downloaded."""
    cfg = Config.fromfile(CONFIGS / f"{name}.py")
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.init_cfg = None
    if cfg.model.backbone.type == "ResNet":
        # Without pretrained weights mmseg starts the last norm of each block at 0, where a frozen one would stay.
        cfg.model.backbone.zero_init_residual = False
    cfg.model.data_preprocessor.size = (SIDE, SIDE)
    for dataloader in (cfg.train_dataloader, cfg.val_dataloader):
        dataloader.dataset.data_root = str(data_root)
        for step in dataloader.dataset.pipeline:
            sizes = dict(scale=SIDE, scales=[SIDE // 2, SIDE, 2 * SIDE], crop_size=(SIDE, SIDE), size=(SIDE, SIDE))
            step.update({key: value for key, value in sizes.items() if key in step})
    return cfg


@pytest.mark.parametrize("name", NAMES)
def test_a_config_trains_and_predicts_at_original_size(name: str, ade20k_folder: Path) -> None:
    torch.manual_seed(0)
    cfg = small_config(name, ade20k_folder)
    model = MODELS.build(cfg.model)
    model.init_weights()
    before = {key: value.clone() for key, value in model.state_dict().items()}

    model.train()
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    batch = pseudo_collate([dataset[0], dataset[1]])
    labels = torch.cat([sample.gt_sem_seg.data.unique() for sample in batch["data_samples"]])
    assert ((labels < 150) | (labels == 255)).all()
    losses = model.train_step(batch, build_optim_wrapper(model, cfg.optim_wrapper))
    assert losses["loss"].isfinite()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    trained = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert changed <= trained
    # Some get no gradient in one step: a block whose path was dropped, the first self-attention, whose input is 0.
    assert len(changed) > 0.85 * len(trained)

    model.eval()
    samples = DATASETS.build(cfg.val_dataloader.dataset)
    (predicted,) = model.val_step(pseudo_collate([samples[0]]))
    labels = predicted.pred_sem_seg.data
    assert tuple(labels.shape) == (1, 80, 100)
    assert labels.min() >= 0 and labels.max() < 150


def test_a_config_predicts_with_its_own_multi_scale_pipeline(ade20k_folder: Path) -> None:
    torch.manual_seed(0)
    cfg = small_config("maskformer_swin-t_ade20k", ade20k_folder)
    (resizes, *_) = cfg.tta_pipeline[-1].transforms
    for step, side in zip(resizes, (32, 48, 64, 80, 96, 112)):
        step.update(scale=side)
    cfg.test_dataloader.dataset.update(data_root=str(ade20k_folder), pipeline=cfg.tta_pipeline)
    item = DATASETS.build(cfg.test_dataloader.dataset)[0]
    flips = [sample.flip for sample in item["data_samples"]]
    assert sorted(flips) == [False] * 6 + [True] * 6
    model = MODELS.build({**cfg.tta_model, "module": cfg.model}).eval()
    (predicted,) = model.test_step(pseudo_collate([item]))
    scores = predicted.seg_logits.data
    assert tuple(scores.shape) == (150, 80, 100)
    assert scores.sum(0).max() > 1.5, "a softmax would make every pixel's scores sum to 1"
