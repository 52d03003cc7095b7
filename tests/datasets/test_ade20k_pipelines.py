"""The ADE20K pipelines of the configs on real ADE20K images."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from mmmaskformer.registry import DATASETS

BASE = Path(__file__).resolve().parents[2] / "configs/_base_/datasets"
SIDES = {"ade20k_512": (512, 2048), "ade20k_640": (640, 2560)}
SCALES = {"ade20k_512": ([256, 384, 512, 640, 768, 896], 3584), "ade20k_640": ([320, 480, 640, 800, 960, 1120], 4480)}


def shortest_edge(size, side, longest):
    """Detectron2's size of (height, width) for a short side with a limit on the long one."""
    scale = min(side / min(size), longest / max(size))
    return tuple(int(value * scale + 0.5) for value in size)


@pytest.fixture(params=sorted(SIDES))
def name(request):
    return request.param


@pytest.fixture
def config(name):
    init_default_scope("mmseg")
    return Config.fromfile(BASE / f"{name}.py")


def build(config, key, shared_data, pipeline=None):
    dataset = config[key].dataset
    dataset.update(
        data_root=str(shared_data / "ade20k_sample"),
        data_prefix=dict(img_path="images/validation", seg_map_path="annotations/validation"),
    )
    if pipeline is not None:
        dataset.pipeline = pipeline
    return DATASETS.build(dataset)


def test_training_short_sides_are_half_to_twice_the_crop_in_steps_of_a_tenth(config, name):
    resize = next(step for step in config.train_pipeline if step.type == "RandomChoiceResize")
    side, longest = SIDES[name]
    assert resize.scales == [int(k * 0.1 * side) for k in range(5, 21)] and resize.max_size == longest
    assert (resize.scales[0], resize.scales[-1]) == (side // 2, side * 2)


def test_training_samples_are_whole_crops_padded_with_gray_and_void(config, name, shared_data):
    side, longest = SIDES[name]
    next(step for step in config.train_pipeline if step.type == "RandomChoiceResize").scales = [side // 2]
    dataset = build(config, "train_dataloader", shared_data, config.train_pipeline)
    for sample in dataset:
        image, labels = sample["inputs"], sample["data_samples"].gt_sem_seg.data[0]
        assert tuple(image.shape[1:]) == tuple(labels.shape) == (side, side)
        size = shortest_edge(sample["data_samples"].ori_shape, side // 2, longest)
        assert min(size) == side // 2
        height, width = (min(value, side) for value in size)
        assert (image[:, height:] == 128).all() and (image[:, :, width:] == 128).all()
        assert (labels[height:] == 255).all() and (labels[:, width:] == 255).all()


def test_test_images_have_the_short_side_and_labels_their_own_size_with_zero_as_void(config, name, shared_data):
    for sample in build(config, "val_dataloader", shared_data):
        data_sample = sample["data_samples"]
        assert tuple(sample["inputs"].shape[1:]) == shortest_edge(data_sample.ori_shape, *SIDES[name])
        stored = np.array(Image.open(data_sample.seg_map_path)).astype(int)
        expected = np.where(stored == 0, 255, stored - 1)
        np.testing.assert_array_equal(data_sample.gt_sem_seg.data[0].numpy(), expected)


def test_augmented_tests_use_absolute_short_sides_with_and_without_flip(config, name, shared_data):
    sides, longest = SCALES[name]
    sample = build(config, "test_dataloader", shared_data, config.tta_pipeline)[0]
    variants = sample["data_samples"]
    expected = [(shortest_edge(variants[0].ori_shape, side, longest), flip) for side in sides for flip in (False, True)]
    assert [(variant.img_shape, variant.flip) for variant in variants] == expected
    assert [tuple(image.shape[1:]) for image in sample["inputs"]] == [size for size, _ in expected]
