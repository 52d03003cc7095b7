"""CamVid through mmseg's stock loading."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from mmmaskformer.datasets import CamVidDataset
from mmmaskformer.errors import UserError
from mmmaskformer.registry import DATASETS

CONFIG = "configs/_base_/datasets/camvid.py"
PREFIX = {"img_path": "images/train", "seg_map_path": "annotations/train"}
LOAD = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope("mmseg")


def test_void_is_255_after_loading_and_classes_are_untouched(shared_data):
    dataset = CamVidDataset(data_root=str(shared_data / "camvid"), data_prefix=PREFIX, pipeline=LOAD)
    assert len(dataset) == 367
    sample = dataset[0]["data_samples"]
    stored = np.array(Image.open(sample.seg_map_path))
    expected = np.where(stored == 11, 255, stored)
    assert (stored == 11).any()
    np.testing.assert_array_equal(sample.gt_sem_seg.data[0].numpy(), expected)


def test_a_subset_of_classes_keeps_void_void(shared_data):
    dataset = CamVidDataset(
        data_root=str(shared_data / "camvid"), data_prefix=PREFIX, pipeline=LOAD, metainfo=dict(classes=("road", "car"))
    )
    assert set(dataset[0]["data_samples"].gt_sem_seg.data.unique().tolist()) <= {0, 1, 255}


def test_the_recipe_gives_crops_of_its_size_padded_with_gray_and_void(shared_data, monkeypatch):
    monkeypatch.setenv("CAMVID_ROOT", str(shared_data / "camvid"))
    config = Config.fromfile(CONFIG).train_dataloader.dataset
    config.pipeline[2].ratio_range = (0.5, 0.5)
    dataset = DATASETS.build(config)
    assert dataset.ignore_index == 255
    sample = dataset[3]
    image, labels = sample["inputs"], sample["data_samples"].gt_sem_seg.data
    assert tuple(image.shape) == (3, 256, 256) and tuple(labels.shape) == (1, 256, 256)
    assert (image[:, 180:] == 128).all() and (labels[:, 180:] == 255).all()
    assert sample["data_samples"].img_shape == (256, 256)


def test_a_missing_folder_is_answered_with_the_converter_s_command(tmp_path):
    with pytest.raises(UserError, match=r"images/train does not exist; make it with: .*dataset_converters/camvid\.py"):
        CamVidDataset(data_root=str(tmp_path), data_prefix=PREFIX)
