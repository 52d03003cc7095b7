"""Penn-Fudan through its config."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmmaskformer.datasets import PennFudanDataset
from mmmaskformer.errors import UserError
from mmmaskformer.registry import DATASETS

CONFIG = "configs/_base_/datasets/pennfudan.py"


@pytest.fixture
def config(shared_data, monkeypatch):
    monkeypatch.setenv("PENNFUDAN_ROOT", str(shared_data / "pennfudan"))
    init_default_scope("mmdet")
    return Config.fromfile(CONFIG)


def test_every_training_image_gives_a_crop_of_the_recipe_s_size_with_truth_for_it(config):
    dataset = DATASETS.build(config.train_dataloader.dataset)
    assert len(dataset) == 120
    padded = 0
    for index in range(0, 120, 10):
        np.random.seed(index)
        sample = dataset[index]
        truth = sample["data_samples"]
        semantic, masks = truth.gt_sem_seg.sem_seg[0].numpy(), truth.gt_instances.masks.masks
        assert tuple(sample["inputs"].shape) == (3, 192, 192) and semantic.shape == masks.shape[1:] == (192, 192)
        assert set(np.unique(semantic)) <= {0, 1, 255}
        # Persons are the thing's pixels and nobody's twice, but for rounding where instances touch after resizing.
        assert (masks.sum(0) != (semantic == 0)).mean() < 0.01
        assert (masks.sum((1, 2)) > 0).all()
        void = semantic == 255
        padded += void.any()
        assert (sample["inputs"].numpy()[:, void] == 128).all()
    assert padded  # short sides begin below the crop


def test_validation_images_are_resized_and_their_truth_is_not(config):
    dataset = DATASETS.build(config.val_dataloader.dataset)
    assert len(dataset) == 25
    sample = dataset[0]
    assert min(sample["inputs"].shape[1:]) == 216
    assert sample["data_samples"].gt_sem_seg.sem_seg.shape[1:] == sample["data_samples"].ori_shape == (536, 559)


def test_a_missing_folder_is_answered_with_the_layout_and_the_variable(tmp_path):
    with pytest.raises(UserError, match=r"panoptic_train\.json does not exist; expected .*PENNFUDAN_ROOT"):
        PennFudanDataset(data_root=str(tmp_path), ann_file="panoptic_train.json", data_prefix=dict(img="images/train"))
