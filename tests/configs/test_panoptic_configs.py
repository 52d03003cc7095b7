"""The panoptic configs say the paper's numbers, and their variants differ from them in nothing else."""

from dataclasses import dataclass

import pytest
from paper_configs import (
    DATA_SECTIONS,
    REPRODUCED,
    RESNET,
    SCHEDULE_SECTIONS,
    assert_shared,
    assert_trained_as_the_paper,
    built,
    config,
    learning_rates,
    schedule_of,
    trained_parameters,
    transform,
    warm_up,
)

from mmmaskformer.core import FPNPixelDecoder, TransformerEncoderPixelDecoder


@dataclass(frozen=True)
class Data:
    """What the paper says of training on one data set; the same for all: clipping at 0.01."""

    things: int
    stuff: int
    iterations: int
    batch: int
    test_resize: tuple[int, int]
    divisor: int
    confidence: float
    evaluators: tuple[str, ...]


COCO = Data(80, 53, 554_400, 64, (800, 1333), 1, 0.8, ("mmmaskformer.PanopticQualityMetric",))
ADE20K = Data(100, 50, 720_000, 16, (640, 2560), 32, 0.7, ("mmmaskformer.PanopticQualityMetric", "SemSegMetric"))
R50 = "maskformer_r50_coco-panoptic.py"
SWIN_L = "maskformer_swin-l-in22k_coco-panoptic.py"
BACKBONES = ("r50", "r101", "swin-t", "swin-s", "swin-b", "swin-b-in22k", "swin-l-in22k")
ON_COCO = [f"maskformer_{backbone}_coco-panoptic.py" for backbone in BACKBONES]
ON_ADE20K = [f"maskformer_{backbone}_ade20k-panoptic.py" for backbone in ("r50", "r101")]
PAPER = pytest.mark.parametrize("name", [*ON_COCO, *ON_ADE20K])
VARIANTS = {
    "maskformer-box-matching_r50_coco-panoptic.py",
    "maskformer-detr-postprocess_r50_coco-panoptic.py",
    "maskformer_efficientnet-lite0_shapes-panoptic.py",
}


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
    assert {*ON_COCO, *ON_ADE20K, *VARIANTS} == {name for name in REPRODUCED if name.endswith("-panoptic.py")}


@PAPER
def test_a_model_is_the_semantic_one_with_the_encoder_or_the_projection_and_the_outputs_of_its_data(name: str) -> None:
    expected, head = ADE20K if name in ON_ADE20K else COCO, built(name).panoptic_head
    settings, semantic = config(name).model.panoptic_head, config("maskformer_r50_ade20k.py").model.decode_head
    for key in ("num_queries", "channels", "transformer_decoder", "criterion", "ignore_index"):
        assert settings[key] == semantic[key], key
    assert settings.pixel_decoder.norm_groups == semantic.pixel_decoder.norm_groups
    if schedule_of(name) is RESNET:
        assert type(head.pixel_decoder) is TransformerEncoderPixelDecoder
        encoder = settings.pixel_decoder.encoder
        assert (encoder.num_layers, encoder.num_heads, encoder.feedforward_channels) == (6, 8, 2048)
        assert encoder.dropout == 0.1
    else:
        assert type(head.pixel_decoder) is FPNPixelDecoder and settings.enforce_input_projection
    assert (head.num_things_classes, head.num_stuff_classes) == (expected.things, expected.stuff)
    options = head.test_cfg
    assert (options["object_mask_thr"], options["iou_thr"]) == (expected.confidence, 0.8)
    assert options["panoptic_on"] and options["postprocess"] == "maskformer"
    assert options["semantic_on"] == ("SemSegMetric" in expected.evaluators)
    preprocessor = built(name).data_preprocessor
    assert (preprocessor.pad_size_divisor, preprocessor.pad_value) == (expected.divisor, 0)
    assert (preprocessor.pad_mask, preprocessor.mask_pad_value) == (True, 0)
    assert (preprocessor.pad_seg, preprocessor.seg_pad_value) == (True, 255)
    settings = config(name).model.data_preprocessor
    assert settings.mean == [123.675, 116.28, 103.53] and settings.std == [58.395, 57.12, 57.375]
    assert settings.bgr_to_rgb


@pytest.mark.parametrize("name", [R50, "maskformer_swin-t_coco-panoptic.py", "maskformer_r50_ade20k-panoptic.py"])
def test_norms_of_a_resnet_are_frozen_and_only_weights_outside_norms_and_embeddings_decay(name: str) -> None:
    assert_trained_as_the_paper(name)


@pytest.mark.parametrize("names", [ON_COCO[:2], ON_COCO[2:], ON_ADE20K], ids=["ResNets", "Swins", "ADE20K"])
def test_a_run_has_the_recipes_length_and_batch(names: list[str]) -> None:
    assert_shared(names, *SCHEDULE_SECTIONS)
    cfg, expected = config(names[0]), ADE20K if names is ON_ADE20K else COCO
    assert cfg.train_cfg.max_iters == expected.iterations
    assert cfg.auto_scale_lr.base_batch_size == cfg.train_dataloader.batch_size * 8 == expected.batch


@pytest.mark.parametrize("name", [ON_COCO[0], ON_COCO[2]])
def test_on_coco_the_learning_rate_falls_to_a_tenth_after_two_thirds(name: str) -> None:
    schedulers = [dict(scheduler) for scheduler in config(name).param_scheduler]
    assert schedulers[-1]["milestones"] == [369_600]
    schedulers[-1]["milestones"] = [1600]  # or the test takes a minute
    for iteration, rate in enumerate(learning_rates(schedulers, 2000)):
        step = 0.1 if iteration >= 1600 else 1.0
        assert rate == pytest.approx(warm_up(iteration, schedule_of(name).warm_up) * step, rel=1e-9)


def test_on_ade20k_the_learning_rate_is_poly() -> None:
    rates = learning_rates(config("maskformer_r50_ade20k-panoptic.py").param_scheduler, 500)
    assert rates == pytest.approx([(1 - iteration / 720_000) ** 0.9 for iteration in range(500)], rel=1e-9)


@pytest.mark.parametrize("names", [ON_COCO[:-1], ON_COCO[-1:], ON_ADE20K], ids=["COCO", "smaller COCO", "ADE20K"])
def test_images_are_loaded_and_evaluated_as_the_release_does_without_things_too(names: list[str]) -> None:
    assert_shared(names, *DATA_SECTIONS)
    cfg, expected = config(names[0]), ADE20K if names is ON_ADE20K else COCO
    assert "filter_cfg" not in cfg.train_dataloader.dataset
    assert transform(cfg.train_dataloader.dataset.pipeline, "FilterAnnotations")["keep_empty"] is False
    resize = transform(cfg.test_dataloader.dataset.pipeline, "ResizeShortestEdge")
    assert (resize["scale"], resize["max_size"]) == expected.test_resize
    evaluators = cfg.val_evaluator if isinstance(cfg.val_evaluator, list) else [cfg.val_evaluator]
    assert tuple(evaluator.type for evaluator in evaluators) == expected.evaluators


@pytest.mark.parametrize(("name", "longest"), [(R50, 1333), (SWIN_L, 1000)])
def test_on_coco_training_images_are_augmented_as_detr_does(name: str, longest: int) -> None:
    pipeline = config(name).train_dataloader.dataset.pipeline
    assert transform(pipeline, "RandomFlip")["prob"] == 0.5
    plain, cropped = transform(pipeline, "RandomChoice")["transforms"]
    for steps in (plain, cropped):
        assert list(steps[-1]["scales"]) == [480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800]
        assert (steps[-1]["resize_type"], steps[-1]["max_size"]) == ("ResizeShortestEdge", longest)
    assert len(plain) == 1 and [step["type"] for step in cropped[1:]] == ["RandomCrop", "RandomChoiceResize"]
    assert list(cropped[0]["scales"]) == [400, 500, 600] and cropped[0]["resize_type"] == "ResizeShortestEdge"
    assert (cropped[1]["crop_type"], tuple(cropped[1]["crop_size"])) == ("absolute_range", (384, 600))
    assert not any("Distortion" in step["type"] or step["type"] == "Pad" for step in pipeline)


def test_on_ade20k_training_images_are_resized_cropped_padded_and_augmented_as_the_recipe_says() -> None:
    pipeline = config(ON_ADE20K[0]).train_dataloader.dataset.pipeline
    resize = transform(pipeline, "RandomChoiceResize")
    assert list(resize["scales"]) == [int(step * 0.1 * 640) for step in range(5, 21)]
    assert (resize["resize_type"], resize["max_size"]) == ("ResizeShortestEdge", 2560)
    assert tuple(transform(pipeline, "RandomCrop")["crop_size"]) == (640, 640)
    assert transform(pipeline, "RandomFlip")["prob"] == 0.5
    assert transform(pipeline, "mmseg.PhotoMetricDistortion")
    pad = transform(pipeline, "Pad")
    assert tuple(pad["size"]) == (640, 640) and pad["pad_val"] == dict(img=128, seg=255)


def test_a_swin_l_differs_in_nothing_but_its_backbone_and_its_longest_side() -> None:
    pair = (SWIN_L, "maskformer_swin-b_coco-panoptic.py")
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
