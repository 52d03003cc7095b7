"""A config of the paper's on real ADE20K images, from file to both metrics, with its model at full size."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from launching import ROOT, run_tool
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from numpy import ndarray

from mmmaskformer.runs import load_config

CONFIG = ROOT / "configs/maskformer/maskformer_r50_ade20k.py"
CLASSES = 150
SKY = 2


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """R50's MaskFormer at random, but sure of sky, which covers one of the images by more than a half."""
    torch.manual_seed(0)
    cfg = load_config(CONFIG)
    init_default_scope("mmseg")
    model = MODELS.build(cfg.model)
    model.decode_head.class_embed.bias.data[SKY] = 10.0
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / "random.pth")
    return tmp_path / "random.pth"


def iou_and_quality(predictions: list[ndarray], truths: list[ndarray]) -> tuple[float, float]:
    """mIoU and PQ^St in percent by their definitions, from label maps in which 255 is void."""
    overlap, union = np.zeros(CLASSES), np.zeros(CLASSES)
    iou_sum, hits, misses = np.zeros(CLASSES), np.zeros(CLASSES), np.zeros(CLASSES)
    for predicted, truth in zip(predictions, truths):
        valid = truth != 255
        for k in range(CLASSES):
            p, t = (predicted == k) & valid, truth == k
            both, either = (p & t).sum(), (p | t).sum()
            overlap[k] += both
            union[k] += either
            matched = either > 0 and both / either > 0.5
            iou_sum[k] += both / either if matched else 0
            hits[k] += matched
            # A predicted segment that is void for the most part is neither right nor wrong.
            wrong = p.any() and 2 * p.sum() >= (predicted == k).sum()
            misses[k] += 0 if matched else (0.5 * wrong + 0.5 * t.any())
    seen = union > 0
    quality = iou_sum[hits + misses > 0] / (hits + misses)[hits + misses > 0]
    return 100 * (overlap[seen] / union[seen]).mean(), 100 * quality.mean()


def test_real_images_go_from_file_to_miou_and_stuff_quality(checkpoint: Path, shared_data: Path) -> None:
    root = shared_data / "ade20k_sample"
    prefix = "test_dataloader.dataset"
    done = run_tool(
        "test.py", CONFIG, checkpoint, "--out", "maps", "--cfg-options", f"{prefix}.data_root={root}",
        cwd=checkpoint.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    predictions, truths = [], []
    for path in sorted((root / "annotations/validation").iterdir()):
        stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        truths.append(np.where(stored == 0, 255, stored - 1))
        # Written in the files' own numbers, from 1.
        predictions.append(cv2.imread(str(checkpoint.parent / "maps" / path.name), cv2.IMREAD_UNCHANGED) - 1)
        assert predictions[-1].shape == stored.shape
    miou, quality = iou_and_quality(predictions, truths)
    assert miou > 0 and quality > 0
    printed = {name: float(value) for name, value in re.findall(r"\b(mIoU|PQ_st): +([\d.]+)", done.stdout)}
    assert printed["mIoU"] == pytest.approx(miou, abs=0.006)
    assert printed["PQ_st"] == pytest.approx(quality, abs=1e-4)
