"""Every config is a model that can be trained, and those of the paper say the paper's numbers."""

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from list_state_dicts import LIST, digest
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from paper_configs import (
    ALL,
    REPRODUCED,
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

from mmmaskformer.runs import load_config
from mmmaskformer.runs.dataset_info import dataset_classes


@dataclass(frozen=True)
class Data:
    """One row of the recipes' table of data sets."""

    release: str
    dataset: str
    classes: int
    short_side: int
    crop: tuple[int, int]
    max_size: int
    test_max_size: int
    iterations: int
    multi_scale: tuple[int, ...]
    multi_scale_max_size: int
    largest: float = 2.0
    batch: int = 16
    void: int = 255
    pads: bool = True


STATE_DICTS = json.loads(LIST.read_text())
HALF_TO_TWICE_640 = (320, 480, 640, 800, 960, 1120)
ADE20K = Data(
    "ade20k-150", "ADE20KDataset", 150, 512, (512, 512), 2048, 2048, 160000, (256, 384, 512, 640, 768, 896), 3584
)
ADE20K_640 = Data("ade20k-150", "ADE20KDataset", 150, 640, (640, 640), 2560, 2560, 160000, HALF_TO_TWICE_640, 4480)
FULL = replace(
    ADE20K,
    release="ade20k-full-847",
    dataset="mmmaskformer.ADE20KFullDataset",
    classes=847,
    iterations=200000,
    void=65535,
)
STUFF = Data(
    "coco-stuff-10k-171", "COCOStuffDataset", 171, 640, (640, 640), 2560, 2560, 60000, HALF_TO_TWICE_640, 4480,
    largest=1.5, batch=32,
)  # fmt: skip
CITY = Data(
    "cityscapes-19", "CityscapesDataset", 19, 1024, (512, 1024), 4096, 2048, 90000,
    (512, 768, 1024, 1280, 1536, 1792), 4096, pads=False,
)  # fmt: skip
# The paper has no multi-scale results of Vistas; its label 65 is void, which mmseg's data set loads as 255.
VISTAS = Data(
    "mapillary-vistas-65", "MapillaryDataset_v1", 65, 2048, (1280, 1280), 8192, 2048, 300000,
    (1024, 1536, 2048, 2560, 3072, 3584), 3584,
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """What the paper's training of one model says; the same for all: AdamW, clipping at 0.01, poly 0.9."""

    release: str
    data: Data = ADE20K
    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    backbone_multiplier: float = 0.1
    warm_up: int = 0
    more_queries: int = 0

    @property
    def frozen_norms(self) -> bool:
        return self.warm_up == 0


swin = partial(Recipe, learning_rate=6e-5, weight_decay=0.01, backbone_multiplier=1.0, warm_up=1500)
swin_640 = partial(swin, data=ADE20K_640)
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
    "maskformer-fixed_r50_ade20k.py": Recipe("maskformer_R50_bs16_160k", more_queries=50),
    "maskformer-bipartite_r50_ade20k.py": Recipe("maskformer_R50_bs16_160k", more_queries=50),
    "per-pixel-baseline_r50_ade20k.py": Recipe("per_pixel_baseline_R50_bs16_160k"),
    "per-pixel-baseline-plus_r50_ade20k.py": Recipe("per_pixel_baseline_plus_R50_bs16_160k"),
    "per-pixel-baseline-plus-mask-losses_r50_ade20k.py": Recipe("per_pixel_baseline_plus_R50_bs16_160k"),
    "maskformer_r50_ade20k-full.py": Recipe("maskformer_R50_bs16_200k", FULL),
    "maskformer_r101_ade20k-full.py": Recipe("maskformer_R101_bs16_200k", FULL),
    "maskformer_r101c_ade20k-full.py": Recipe("maskformer_R101c_bs16_200k", FULL),
    "per-pixel-baseline_r50_ade20k-full.py": Recipe("per_pixel_baseline_R50_bs16_200k", FULL),
    "per-pixel-baseline-plus_r50_ade20k-full.py": Recipe("per_pixel_baseline_plus_R50_bs16_200k", FULL),
    "maskformer_r50_coco-stuff-10k.py": Recipe("maskformer_R50_bs32_60k", STUFF),
    "maskformer_r101_coco-stuff-10k.py": Recipe("maskformer_R101_bs32_60k", STUFF),
    "maskformer_r101c_coco-stuff-10k.py": Recipe("maskformer_R101c_bs32_60k", STUFF),
    "per-pixel-baseline_r50_coco-stuff-10k.py": Recipe("per_pixel_baseline_R50_bs32_60k", STUFF),
    "per-pixel-baseline-plus_r50_coco-stuff-10k.py": Recipe("per_pixel_baseline_plus_R50_bs32_60k", STUFF),
    "maskformer_r101_cityscapes.py": Recipe("maskformer_R101_bs16_90k", CITY),
    "maskformer_r101c_cityscapes.py": Recipe("maskformer_R101c_bs16_90k", CITY),
    "maskformer_r50_mapillary.py": Recipe("maskformer_R50_bs16_300k", VISTAS),
    # The release has no baselines for Cityscapes; the paper's Table 2 has.
    "per-pixel-baseline_r101_cityscapes.py": Recipe("", CITY),
    "per-pixel-baseline-plus_r101_cityscapes.py": Recipe("", CITY),
}
KINDS_OF_MATCHING = ("", "-fixed", "-bipartite")
DATA_SETS = ("ade20k", "ade20k-full", "coco-stuff-10k", "cityscapes", "mapillary")
PAPER = pytest.mark.parametrize("name", RECIPES)


def test_the_papers_models_are_all_there() -> None:
    assert set(RECIPES) == {name for name in REPRODUCED if Path(name).stem.rpartition("_")[2] in DATA_SETS}


def test_every_semantic_model_of_the_release_has_its_config(release_parameters: dict[str, int]) -> None:
    semantic = {name for name in release_parameters if "panoptic" not in name}
    assert {f"{recipe.data.release}/{recipe.release}.yaml" for recipe in RECIPES.values() if recipe.release} == semantic


@pytest.mark.parametrize("name", ALL)
def test_a_config_builds_with_as_many_classes_as_its_data_set(name: str) -> None:
    cfg, model = config(name), built(name)
    init_default_scope(cfg.default_scope)
    assert len(dataset_classes(cfg.train_dataloader.dataset)) == head_of(model).num_classes
    assert cfg.custom_imports["imports"] == ["mmmaskformer"]


def test_the_parameters_of_every_config_are_listed() -> None:
    assert sorted(STATE_DICTS) == ALL, "python tests/list_state_dicts.py adds what is new"


@pytest.mark.parametrize("name", ALL)
def test_names_shapes_and_order_of_parameters_stay_so_that_checkpoints_load(name: str) -> None:
    assert digest(built(name)) == STATE_DICTS[name]


@pytest.mark.parametrize("name", [name for name in ALL if config(name).default_scope == "mmseg"])
def test_multi_scale_testing_puts_no_softmax_on_probabilities(name: str) -> None:
    assert config(name).tta_model.type == "mmmaskformer.SemanticTTAModel"


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.release])
def test_a_model_has_as_many_parameters_as_the_releases(name: str, release_parameters: dict[str, int]) -> None:
    recipe = RECIPES[name]
    expected = release_parameters[f"{recipe.data.release}/{recipe.release}.yaml"]
    assert trained_parameters(built(name)) == expected + recipe.more_queries * 256


@PAPER
def test_the_data_set_is_the_papers_and_both_metrics_are_taken(name: str) -> None:
    cfg, data = config(name), RECIPES[name].data
    for dataloader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert dataloader.dataset.type == data.dataset
        assert len(dataset_classes(dataloader.dataset)) == data.classes
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        assert [metric.type for metric in evaluator] == ["IoUMetric", "mmmaskformer.SemanticPQMetric"]


def test_fixed_and_bipartite_matching_are_compared_at_150_queries() -> None:
    plain, fixed, bipartite = (config(f"maskformer{x}_r50_ade20k.py").model.decode_head for x in KINDS_OF_MATCHING)
    assert fixed.num_queries == bipartite.num_queries == 150
    assert fixed.criterion.assigner == dict(type="mmmaskformer.FixedAssigner")
    assert bipartite.criterion == plain.criterion


@pytest.mark.parametrize("options", [{"num_queries": 20}, {"transformer_decoder.num_layers": 1}], ids=str)
def test_queries_and_decoder_layers_are_options(options: dict[str, int]) -> None:
    cfg = load_config("maskformer_r50_ade20k", {f"model.decode_head.{k}": v for k, v in options.items()})
    head = MODELS.build({**cfg.model.decode_head, "in_channels": [4, 8, 16, 32]})
    assert head.num_queries == options.get("num_queries", 100)
    assert len(head.transformer_decoder.layers) == options.get("transformer_decoder.num_layers", 6)


@PAPER
def test_a_resnets_norms_are_frozen_and_nothing_else_is(name: str) -> None:
    if RECIPES[name].frozen_norms:
        assert_resnets_norms_alone_are_frozen(built(name))
    else:
        assert all(parameter.requires_grad for parameter in built(name).parameters())


@pytest.mark.parametrize("name", [name for name in RECIPES if "_r101c_" in name])
def test_r101c_dilates_the_last_stage_by_1_2_4_at_stride_32(name: str) -> None:
    blocks = built(name).backbone.layer4
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


@PAPER
def test_the_learning_rate_is_a_warm_up_that_multiplies_the_poly_schedule(name: str) -> None:
    recipe = RECIPES[name]
    rates = learning_rates(config(name).param_scheduler, recipe.warm_up + 50)
    for iteration, rate in enumerate(rates):
        expected = warm_up(iteration, recipe.warm_up) * (1 - iteration / recipe.data.iterations) ** 0.9
        assert rate == pytest.approx(expected, rel=1e-9)


@PAPER
def test_a_run_takes_the_recipes_iterations_and_batch(name: str) -> None:
    cfg, data = config(name), RECIPES[name].data
    assert cfg.train_cfg.max_iters == data.iterations
    assert all(scheduler.end - 1 in (RECIPES[name].warm_up, data.iterations) for scheduler in cfg.param_scheduler)
    assert cfg.auto_scale_lr.base_batch_size == cfg.train_dataloader.batch_size * 8 == data.batch


@PAPER
def test_training_images_are_resized_cropped_padded_and_augmented_as_the_recipe_says(name: str) -> None:
    cfg, data = config(name), RECIPES[name].data
    pipeline = cfg.train_dataloader.dataset.pipeline
    resize = transform(pipeline, "RandomChoiceResize")
    sides, side = resize["scales"], data.short_side
    assert (sides[0], sides[5], sides[-1]) == (side // 2, side, side * data.largest)
    # In steps of a tenth, rounded down.
    assert sides == sorted(sides) and all(abs(b - a - side / 10) < 1 for a, b in zip(sides, sides[1:]))
    assert (resize["resize_type"], resize["max_size"]) == ("ResizeShortestEdge", data.max_size)
    crop = transform(pipeline, "RandomCrop")
    assert tuple(crop["crop_size"]) == data.crop and crop["cat_max_ratio"] == 1.0
    assert transform(pipeline, "RandomFlip")["prob"] == 0.5
    assert transform(pipeline, "PhotoMetricDistortion")
    pads = [(tuple(step["size"]), step["pad_val"]) for step in pipeline if step["type"] == "Pad"]
    assert pads == ([(data.crop, dict(img=128, seg=data.void))] if data.pads else [])
    assert tuple(cfg.model.data_preprocessor.size) == data.crop


@PAPER
def test_test_images_are_resized_and_padded_as_the_recipe_says(name: str) -> None:
    cfg, data = config(name), RECIPES[name].data
    resize = transform(cfg.test_dataloader.dataset.pipeline, "ResizeShortestEdge")
    assert (resize["scale"], resize["max_size"]) == (data.short_side, data.test_max_size)
    assert not any(step["type"] == "Pad" for step in cfg.test_dataloader.dataset.pipeline)
    preprocessor = built(name).data_preprocessor
    assert cfg.model.data_preprocessor.bgr_to_rgb
    assert cfg.model.data_preprocessor.mean == [123.675, 116.28, 103.53]
    assert cfg.model.data_preprocessor.std == [58.395, 57.12, 57.375]
    assert (preprocessor.pad_val, preprocessor.test_cfg) == (0, dict(size_divisor=32))

    scales = transform(cfg.tta_pipeline, "TestTimeAug")["transforms"][0]
    assert [(step["scale"], step["max_size"]) for step in scales] == [
        (side, data.multi_scale_max_size) for side in data.multi_scale
    ]


@PAPER
def test_void_is_one_label_from_the_pipeline_to_the_metric(name: str) -> None:
    cfg, void = config(name), RECIPES[name].data.void
    assert built(name).decode_head.ignore_index == void
    assert built(name).data_preprocessor.seg_pad_val == void
    metrics = [*cfg.val_evaluator, *cfg.test_evaluator]
    assert {metric.get("ignore_index", 255) for metric in metrics} == {void}
