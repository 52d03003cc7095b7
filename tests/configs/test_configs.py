"""Every config is a model that can be trained, and those of the paper say the paper's numbers."""

from dataclasses import dataclass
from functools import partial

import pytest
from paper_configs import (
    ALL,
    assert_optimizer,
    assert_resnets_norms_alone_are_frozen,
    built,
    config,
    head_of,
    learning_rates,
    trained_parameters,
    transform,
    warm_up,
)

from mmmaskformer.apis.dataset_info import dataset_classes


@dataclass(frozen=True)
class Recipe:
    """What the paper's training of one model says; the same for all: 160k iterations, batch 16, clipping at 0.01."""

    release: str
    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    backbone_multiplier: float = 0.1
    warm_up: int = 0
    short_side: int = 512
    multi_scale: tuple[int, ...] = (256, 384, 512, 640, 768, 896)

    @property
    def frozen_norms(self) -> bool:
        return self.warm_up == 0


swin = partial(Recipe, learning_rate=6e-5, weight_decay=0.01, backbone_multiplier=1.0, warm_up=1500)
swin_640 = partial(swin, short_side=640, multi_scale=(320, 480, 640, 800, 960, 1120))
RECIPES = {
    "maskformer_r50_ade20k.py": Recipe("maskformer_R50_bs16_160k"),
    "maskformer_r101_ade20k.py": Recipe("maskformer_R101_bs16_160k"),
    "maskformer_r101c_ade20k.py": Recipe("maskformer_R101c_bs16_160k"),
    "maskformer_swin-t_ade20k.py": swin("swin/maskformer_swin_tiny_bs16_160k"),
    "maskformer_swin-s_ade20k.py": swin("swin/maskformer_swin_small_bs16_160k"),
    # The two Swin-B differ in their pretrained weights alone.
    "maskformer_swin-b_ade20k.py": swin_640("swin/maskformer_swin_base_IN21k_384_bs16_160k_res640"),
    "maskformer_swin-b-in22k_ade20k.py": swin_640("swin/maskformer_swin_base_IN21k_384_bs16_160k_res640"),
    "maskformer_swin-l_ade20k.py": swin_640("swin/maskformer_swin_large_IN21k_384_bs16_160k_res640"),
    "per-pixel-baseline_r50_ade20k.py": Recipe("per_pixel_baseline_R50_bs16_160k"),
    "per-pixel-baseline-plus_r50_ade20k.py": Recipe("per_pixel_baseline_plus_R50_bs16_160k"),
}
PAPER = pytest.mark.parametrize("name", RECIPES)


def test_the_papers_models_are_all_there() -> None:
    assert set(RECIPES) == {name for name in ALL if name.endswith("_ade20k.py")}


@pytest.mark.parametrize("name", ALL)
def test_a_config_builds_with_as_many_classes_as_its_data_set(name: str) -> None:
    cfg, model = config(name), built(name)
    assert len(dataset_classes(cfg.train_dataloader.dataset)) == head_of(model).num_classes
    assert cfg.custom_imports["imports"] == ["mmmaskformer"]


@pytest.mark.parametrize("name", [name for name in ALL if config(name).default_scope == "mmseg"])
def test_multi_scale_testing_puts_no_softmax_on_probabilities(name: str) -> None:
    assert config(name).tta_model.type == "mmmaskformer.SemanticTTAModel"


@PAPER
def test_a_model_has_as_many_parameters_as_the_releases(name: str, release_parameters: dict[str, int]) -> None:
    expected = release_parameters[f"ade20k-150/{RECIPES[name].release}.yaml"]
    assert trained_parameters(built(name)) == expected


@PAPER
def test_a_resnets_norms_are_frozen_and_nothing_else_is(name: str) -> None:
    if RECIPES[name].frozen_norms:
        assert_resnets_norms_alone_are_frozen(built(name))
    else:
        assert all(parameter.requires_grad for parameter in built(name).parameters())


def test_r101c_dilates_the_last_stage_by_1_2_4_at_stride_32() -> None:
    blocks = built("maskformer_r101c_ade20k.py").backbone.layer4
    assert [block.conv2.dilation for block in blocks] == [(1, 1), (2, 2), (4, 4)]
    assert [block.conv2.stride for block in blocks] == [(2, 2), (1, 1), (1, 1)]


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if not recipe.frozen_norms])
def test_swins_drop_paths_grow_to_0_3(name: str) -> None:
    blocks = [block for stage in built(name).backbone.stages for block in stage.blocks]
    assert blocks[0].attn.drop.drop_prob == 0 and blocks[-1].attn.drop.drop_prob == pytest.approx(0.3)


@PAPER
def test_each_parameter_has_its_learning_rate_and_only_weights_outside_norms_and_embeddings_decay(name: str) -> None:
    recipe = RECIPES[name]
    assert_optimizer(name, recipe.learning_rate, recipe.weight_decay, recipe.backbone_multiplier)


@pytest.mark.parametrize("name", ["maskformer_r50_ade20k.py", "maskformer_swin-t_ade20k.py"])
def test_the_learning_rate_is_a_warm_up_that_multiplies_the_poly_schedule(name: str) -> None:
    for iteration, rate in enumerate(learning_rates(config(name).param_scheduler, 2000)):
        expected = warm_up(iteration, RECIPES[name].warm_up) * (1 - iteration / 160000) ** 0.9
        assert rate == pytest.approx(expected, rel=1e-9)


@PAPER
def test_a_run_takes_160k_iterations_of_batch_16(name: str) -> None:
    cfg = config(name)
    assert cfg.train_cfg.max_iters == 160000
    assert all(scheduler.end - 1 in (RECIPES[name].warm_up, 160000) for scheduler in cfg.param_scheduler)
    assert cfg.auto_scale_lr.base_batch_size == cfg.train_dataloader.batch_size * 8 == 16


@PAPER
def test_training_images_are_resized_cropped_padded_and_augmented_as_the_recipe_says(name: str) -> None:
    cfg, side = config(name), RECIPES[name].short_side
    pipeline = cfg.train_dataloader.dataset.pipeline
    resize = transform(pipeline, "RandomChoiceResize")
    assert list(resize["scales"]) == [int(step * 0.1 * side) for step in range(5, 21)]
    assert (resize["resize_type"], resize["max_size"]) == ("ResizeShortestEdge", 4 * side)
    crop = transform(pipeline, "RandomCrop")
    assert tuple(crop["crop_size"]) == (side, side) and crop["cat_max_ratio"] == 1.0
    assert transform(pipeline, "RandomFlip")["prob"] == 0.5
    assert transform(pipeline, "PhotoMetricDistortion")
    pad = transform(pipeline, "Pad")
    assert tuple(pad["size"]) == (side, side) and pad["pad_val"] == dict(img=128, seg=255)
    assert tuple(cfg.model.data_preprocessor.size) == (side, side)


@PAPER
def test_test_images_are_resized_and_padded_as_the_recipe_says(name: str) -> None:
    cfg, recipe = config(name), RECIPES[name]
    resize = transform(cfg.test_dataloader.dataset.pipeline, "ResizeShortestEdge")
    assert (resize["scale"], resize["max_size"]) == (recipe.short_side, 4 * recipe.short_side)
    assert not any(step["type"] == "Pad" for step in cfg.test_dataloader.dataset.pipeline)
    preprocessor = built(name).data_preprocessor
    assert preprocessor.channel_conversion
    assert cfg.model.data_preprocessor.mean == [123.675, 116.28, 103.53]
    assert cfg.model.data_preprocessor.std == [58.395, 57.12, 57.375]
    assert (preprocessor.pad_val, preprocessor.test_cfg) == (0, dict(size_divisor=32))

    scales = transform(cfg.tta_pipeline, "TestTimeAug")["transforms"][0]
    assert [(step["scale"], step["max_size"]) for step in scales] == [
        (side, 7 * recipe.short_side) for side in recipe.multi_scale
    ]


@PAPER
def test_void_is_one_label_from_the_pipeline_to_the_metric(name: str) -> None:
    cfg = config(name)
    assert built(name).decode_head.ignore_index == 255
    assert built(name).data_preprocessor.seg_pad_val == 255
    assert cfg.val_evaluator.get("ignore_index", 255) == cfg.test_evaluator.get("ignore_index", 255) == 255
