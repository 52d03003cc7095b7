"""The panoptic configs say the paper's numbers, and their variants differ from them in nothing else."""

from dataclasses import dataclass
from functools import partial

import pytest
from paper_configs import (
    REPRODUCED,
    assert_optimizer,
    assert_resnets_norms_alone_are_frozen,
    built,
    config,
    learning_rates,
    trained_parameters,
    transform,
    warm_up,
)

from mmmaskformer.core import FPNPixelDecoder, TransformerEncoderPixelDecoder


@dataclass(frozen=True)
class Recipe:
    """What the paper's training of one model says; the same for all: clipping at 0.01."""

    release: str
    things: int = 80
    stuff: int = 53
    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    backbone_multiplier: float = 0.1
    warm_up: int = 0
    iterations: int = 554_400
    batch: int = 64
    longest: int = 1333
    test_resize: tuple[int, int] = (800, 1333)
    divisor: int = 1
    confidence: float = 0.8

    @property
    def resnet(self) -> bool:
        return self.warm_up == 0


swin = partial(Recipe, learning_rate=6e-5, weight_decay=0.01, backbone_multiplier=1.0, warm_up=1500)
ade20k = partial(
    Recipe, things=100, stuff=50, iterations=720_000, batch=16, longest=2560, test_resize=(640, 2560), divisor=32,
    confidence=0.7,
)  # fmt: skip
COCO_RECIPES = {
    "maskformer_r50_coco-panoptic.py": Recipe("coco-panoptic/maskformer_panoptic_R50_bs64_554k"),
    "maskformer_r101_coco-panoptic.py": Recipe("coco-panoptic/maskformer_panoptic_R101_bs64_554k"),
    "maskformer_swin-t_coco-panoptic.py": swin("coco-panoptic/swin/maskformer_panoptic_swin_tiny_bs64_554k"),
    "maskformer_swin-s_coco-panoptic.py": swin("coco-panoptic/swin/maskformer_panoptic_swin_small_bs64_554k"),
    # The two Swin-B differ in their pretrained weights alone.
    "maskformer_swin-b_coco-panoptic.py": swin("coco-panoptic/swin/maskformer_panoptic_swin_base_IN21k_384_bs64_554k"),
    "maskformer_swin-b-in22k_coco-panoptic.py": swin(
        "coco-panoptic/swin/maskformer_panoptic_swin_base_IN21k_384_bs64_554k"
    ),
    "maskformer_swin-l-in22k_coco-panoptic.py": swin(
        "coco-panoptic/swin/maskformer_panoptic_swin_large_IN21k_384_bs64_554k", longest=1000
    ),
}
ADE20K_RECIPES = {
    "maskformer_r50_ade20k-panoptic.py": ade20k("ade20k-150-panoptic/maskformer_panoptic_R50_bs16_720k"),
    "maskformer_r101_ade20k-panoptic.py": ade20k("ade20k-150-panoptic/maskformer_panoptic_R101_bs16_720k"),
}
RECIPES = {**COCO_RECIPES, **ADE20K_RECIPES}
PAPER = pytest.mark.parametrize("name", RECIPES)
VARIANTS = {
    "maskformer-box-matching_r50_coco-panoptic.py",
    "maskformer-detr-postprocess_r50_coco-panoptic.py",
    "maskformer_efficientnet-lite0_shapes-panoptic.py",
}
R50 = "maskformer_r50_coco-panoptic.py"


def differences(name: str, other: str, path: str = "model") -> set[str]:
    """Dotted keys below ``path`` in which two configs differ."""

    def compare(left, right, where):
        if isinstance(left, dict) and isinstance(right, dict):
            for key in {*left, *right}:
                yield from compare(left.get(key), right.get(key), f"{where}.{key}")
        elif left != right:
            yield where

    return set(compare(config(name).get(path), config(other).get(path), path))


def test_the_papers_models_are_all_there() -> None:
    assert {*RECIPES, *VARIANTS} == {name for name in REPRODUCED if name.endswith("-panoptic.py")}


@PAPER
def test_a_model_has_as_many_parameters_as_the_releases(name: str, release_parameters: dict[str, int]) -> None:
    assert trained_parameters(built(name)) == release_parameters[f"{RECIPES[name].release}.yaml"]


@PAPER
def test_things_and_stuff_are_those_of_the_data_set(name: str) -> None:
    head, recipe = built(name).panoptic_head, RECIPES[name]
    assert (head.num_things_classes, head.num_stuff_classes) == (recipe.things, recipe.stuff)


@PAPER
def test_a_resnet_has_six_encoder_layers_and_a_swin_the_plain_fpn_with_a_projection(name: str) -> None:
    head = built(name).panoptic_head
    if RECIPES[name].resnet:
        assert type(head.pixel_decoder) is TransformerEncoderPixelDecoder
        encoder = config(name).model.panoptic_head.pixel_decoder.encoder
        assert (encoder.num_layers, encoder.num_heads, encoder.feedforward_channels) == (6, 8, 2048)
        assert encoder.dropout == 0.1
    else:
        assert type(head.pixel_decoder) is FPNPixelDecoder
        assert config(name).model.panoptic_head.enforce_input_projection


@PAPER
def test_a_resnets_norms_are_frozen_and_nothing_else_is(name: str) -> None:
    if RECIPES[name].resnet:
        assert_resnets_norms_alone_are_frozen(built(name))
    else:
        assert all(parameter.requires_grad for parameter in built(name).parameters())


@PAPER
def test_the_decoder_and_the_loss_are_the_semantic_models(name: str) -> None:
    panoptic, semantic = config(name).model.panoptic_head, config("maskformer_r50_ade20k.py").model.decode_head
    for key in ("num_queries", "channels", "transformer_decoder", "criterion", "ignore_index"):
        assert panoptic[key] == semantic[key], key
    assert panoptic.pixel_decoder.norm_groups == semantic.pixel_decoder.norm_groups


@PAPER
def test_each_parameter_has_its_learning_rate_and_only_weights_outside_norms_and_embeddings_decay(name: str) -> None:
    recipe = RECIPES[name]
    assert_optimizer(name, recipe.learning_rate, recipe.weight_decay, recipe.backbone_multiplier)


@PAPER
def test_a_run_has_the_recipes_length_and_batch(name: str) -> None:
    cfg, recipe = config(name), RECIPES[name]
    assert cfg.train_cfg.max_iters == recipe.iterations
    assert cfg.auto_scale_lr.base_batch_size == cfg.train_dataloader.batch_size * 8 == recipe.batch


@pytest.mark.parametrize("name", COCO_RECIPES)
def test_on_coco_the_learning_rate_falls_to_a_tenth_after_two_thirds(name: str) -> None:
    schedulers = [dict(scheduler) for scheduler in config(name).param_scheduler]
    assert schedulers[-1]["milestones"] == [369_600]
    schedulers[-1]["milestones"] = [1600]  # or the test takes a minute
    for iteration, rate in enumerate(learning_rates(schedulers, 2000)):
        step = 0.1 if iteration >= 1600 else 1.0
        assert rate == pytest.approx(warm_up(iteration, RECIPES[name].warm_up) * step, rel=1e-9)


def test_on_ade20k_the_learning_rate_is_poly() -> None:
    rates = learning_rates(config("maskformer_r50_ade20k-panoptic.py").param_scheduler, 500)
    assert rates == pytest.approx([(1 - iteration / 720_000) ** 0.9 for iteration in range(500)], rel=1e-9)


@pytest.mark.parametrize("name", COCO_RECIPES)
def test_on_coco_training_images_are_augmented_as_detr_does(name: str) -> None:
    pipeline = config(name).train_dataloader.dataset.pipeline
    assert transform(pipeline, "RandomFlip")["prob"] == 0.5
    plain, cropped = transform(pipeline, "RandomChoice")["transforms"]
    for steps in (plain, cropped):
        assert list(steps[-1]["scales"]) == [480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800]
        assert (steps[-1]["resize_type"], steps[-1]["max_size"]) == ("ResizeShortestEdge", RECIPES[name].longest)
    assert len(plain) == 1 and [step["type"] for step in cropped[1:]] == ["RandomCrop", "RandomChoiceResize"]
    assert list(cropped[0]["scales"]) == [400, 500, 600] and cropped[0]["resize_type"] == "ResizeShortestEdge"
    assert (cropped[1]["crop_type"], tuple(cropped[1]["crop_size"])) == ("absolute_range", (384, 600))
    assert not any("Distortion" in step["type"] or step["type"] == "Pad" for step in pipeline)


@pytest.mark.parametrize("name", ADE20K_RECIPES)
def test_on_ade20k_training_images_are_resized_cropped_padded_and_augmented_as_the_recipe_says(name: str) -> None:
    pipeline = config(name).train_dataloader.dataset.pipeline
    resize = transform(pipeline, "RandomChoiceResize")
    assert list(resize["scales"]) == [int(step * 0.1 * 640) for step in range(5, 21)]
    assert (resize["resize_type"], resize["max_size"]) == ("ResizeShortestEdge", 2560)
    assert tuple(transform(pipeline, "RandomCrop")["crop_size"]) == (640, 640)
    assert transform(pipeline, "RandomFlip")["prob"] == 0.5
    assert transform(pipeline, "mmseg.PhotoMetricDistortion")
    pad = transform(pipeline, "Pad")
    assert tuple(pad["size"]) == (640, 640) and pad["pad_val"] == dict(img=128, seg=255)


@PAPER
def test_images_without_things_are_trained_on(name: str) -> None:
    cfg = config(name)
    assert "filter_cfg" not in cfg.train_dataloader.dataset
    assert transform(cfg.train_dataloader.dataset.pipeline, "FilterAnnotations")["keep_empty"] is False


@PAPER
def test_test_images_are_resized_and_padded_as_the_recipe_says(name: str) -> None:
    recipe, preprocessor = RECIPES[name], built(name).data_preprocessor
    resize = transform(config(name).test_dataloader.dataset.pipeline, "ResizeShortestEdge")
    assert (resize["scale"], resize["max_size"]) == recipe.test_resize
    assert (preprocessor.pad_size_divisor, preprocessor.pad_value) == (recipe.divisor, 0)
    settings = config(name).model.data_preprocessor
    assert settings.mean == [123.675, 116.28, 103.53] and settings.std == [58.395, 57.12, 57.375]
    assert settings.bgr_to_rgb
    assert (preprocessor.pad_mask, preprocessor.mask_pad_value) == (True, 0)
    assert (preprocessor.pad_seg, preprocessor.seg_pad_value) == (True, 255)


@PAPER
def test_segments_are_kept_at_the_papers_thresholds(name: str) -> None:
    options = built(name).panoptic_head.test_cfg
    assert (options["object_mask_thr"], options["iou_thr"]) == (RECIPES[name].confidence, 0.8)
    assert options["panoptic_on"] and options["postprocess"] == "maskformer"


@PAPER
def test_a_run_reports_what_the_release_does(name: str) -> None:
    evaluators = config(name).val_evaluator
    kinds = [evaluator.type for evaluator in (evaluators if isinstance(evaluators, list) else [evaluators])]
    semantic = name in ADE20K_RECIPES
    assert kinds == ["mmmaskformer.PanopticQualityMetric", *(["SemSegMetric"] if semantic else [])]
    assert built(name).panoptic_head.test_cfg["semantic_on"] == semantic


def test_a_swin_l_differs_in_nothing_but_its_backbone_and_its_longest_side() -> None:
    pair = ("maskformer_swin-l-in22k_coco-panoptic.py", "maskformer_swin-b_coco-panoptic.py")
    in_model = {key for key in differences(*pair) if not key.startswith("model.backbone.")}
    assert in_model == {"model.panoptic_head.in_channels"}
    assert differences(*pair, path="train_dataloader") == {"train_dataloader.dataset.pipeline"}
    for key in ("optim_wrapper", "param_scheduler", "train_cfg", "val_dataloader"):
        assert not differences(*pair, path=key)


def test_box_matching_replaces_the_costs_and_adds_detrs_box_losses() -> None:
    name = "maskformer-box-matching_r50_coco-panoptic.py"
    head = config(name).model.panoptic_head
    costs = {cost.type: cost.weight for cost in head.criterion.assigner.costs}
    assert costs == {"mmmaskformer.ClassCost": 1, "mmmaskformer.BoxL1Cost": 5, "mmmaskformer.GIoUCost": 2}
    losses = {loss.type: loss.loss_weight for loss in head.criterion.box_losses}
    assert losses == {"mmmaskformer.BoxL1Loss": 5, "mmmaskformer.GIoULoss": 2}
    linears = [module for module in built(name).panoptic_head.box_embed.modules() if hasattr(module, "in_features")]
    assert [(linear.in_features, linear.out_features) for linear in linears] == [(256, 256), (256, 256), (256, 4)]
    assert differences(name, R50) == {
        "model.panoptic_head.predict_boxes",
        "model.panoptic_head.criterion.assigner",
        "model.panoptic_head.criterion.box_losses",
    }


def test_detrs_post_processing_is_the_same_model() -> None:
    name = "maskformer-detr-postprocess_r50_coco-panoptic.py"
    assert differences(name, R50) == {"model.test_cfg.postprocess", "model.test_cfg.object_mask_thr"}
    assert config(name).model.test_cfg.postprocess == "detr" and config(name).model.test_cfg.object_mask_thr == 0.85


def test_another_task_is_other_data_class_counts_and_outputs() -> None:
    name = "maskformer_r50_coco-instance.py"
    assert differences(name, R50) == {
        "model.panoptic_head.num_stuff_classes",
        "model.test_cfg.panoptic_on",
        "model.test_cfg.instance_on",
    }
    assert config(name).model.panoptic_head.num_stuff_classes == 0
    assert config(name).val_evaluator.type == "CocoMetric" and config(name).val_evaluator.metric == "segm"
    for key in ("optim_wrapper", "param_scheduler", "train_cfg"):
        assert not differences(name, R50, key)


def test_mmdets_own_model_is_trained_and_tested_as_ours() -> None:
    peer, ours = "mmdet-maskformer_efficientnet-lite0_pennfudan.py", "maskformer_efficientnet-lite0_pennfudan.py"
    same = ("optim_wrapper", "param_scheduler", "train_cfg", "train_dataloader", "val_dataloader", "randomness")
    assert not set().union(*(differences(peer, ours, key) for key in same))
    sections = {key.split(".")[1] for key in differences(peer, ours)}
    assert sections == {"type", "panoptic_head", "panoptic_fusion_head", "train_cfg", "test_cfg"}
    for key in ("object_mask_thr", "iou_thr", "panoptic_on", "instance_on"):
        assert config(peer).model.test_cfg[key] == config(ours).model.test_cfg[key]
    assert trained_parameters(built(peer)) == trained_parameters(built(ours))
    assert config(peer).val_evaluator == config(ours).val_evaluator[:2]
