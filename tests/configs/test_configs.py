"""Every config is a model that can be trained, and those of the paper say the paper's numbers.

Configs inherit their data set, their schedule and their backbone: one config of each is compared with the paper, and
those that share one are compared with it.
"""

import json
import re
from dataclasses import dataclass, replace

import pytest
from list_state_dicts import LIST, digest
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from paper_configs import (
    ALL,
    DATA_SECTIONS,
    DETECTORS,
    REPRODUCED,
    RUNNING,
    RUNNING_DETECTORS,
    SCHEDULE_SECTIONS,
    SEGMENTORS,
    assert_shared,
    assert_trained_as_the_paper,
    built,
    config,
    head_of,
    learning_rates,
    parts,
    schedule_of,
    trained_parameters,
    transform,
    warm_up,
)

from mmmaskformer.runs import load_config
from mmmaskformer.runs.dataset_info import dataset_classes


@dataclass(frozen=True)
class Data:
    """What the paper says of training on one data set."""

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
ADE20K = Data("ADE20KDataset", 150, 512, (512, 512), 2048, 2048, 160000, (256, 384, 512, 640, 768, 896), 3584)
ADE20K_640 = Data("ADE20KDataset", 150, 640, (640, 640), 2560, 2560, 160000, HALF_TO_TWICE_640, 4480)
# The paper has no multi-scale results of Vistas; its label 65 is void, which mmseg's data set loads as 255.
DATA = {
    "ade20k": ADE20K,
    "ade20k_640": ADE20K_640,
    "ade20k-full": replace(
        ADE20K, dataset="mmmaskformer.ADE20KFullDataset", classes=847, iterations=200000, void=65535
    ),
    "coco-stuff-10k": replace(
        ADE20K_640, dataset="COCOStuffDataset", classes=171, iterations=60000, largest=1.5, batch=32
    ),
    "cityscapes": Data(
        "CityscapesDataset", 19, 1024, (512, 1024), 4096, 2048, 90000, (512, 768, 1024, 1280, 1536, 1792), 4096,
        pads=False,
    ),
    "mapillary": Data(
        "MapillaryDataset_v1", 65, 2048, (1280, 1280), 8192, 2048, 300000, (1024, 1536, 2048, 2560, 3072, 3584), 3584
    ),
}  # fmt: skip
# Folder, batch and thousands of iterations of the release's configs.
RELEASES = {
    "ade20k": ("ade20k-150", 16, 160),
    "ade20k-full": ("ade20k-full-847", 16, 200),
    "coco-stuff-10k": ("coco-stuff-10k-171", 32, 60),
    "cityscapes": ("cityscapes-19", 16, 90),
    "mapillary": ("mapillary-vistas-65", 16, 300),
    "coco-panoptic": ("coco-panoptic", 64, 554),
    "ade20k-panoptic": ("ade20k-150-panoptic", 16, 720),
}
SWINS = {"t": "tiny", "s": "small", "b": "base_IN21k_384", "l": "large_IN21k_384"}


def data_of(name: str) -> str:
    """The config's data set, and the size where there are two."""
    data = name.removesuffix(".py").rpartition("_")[2]
    return "ade20k_640" if data == "ade20k" and re.search("_swin-[bl]", name) else data


def release_of(name: str) -> str:
    """The release's config of a model; of a variant, that of the model that it varies."""
    kind, backbone, data = name.removesuffix(".py").split("_")
    kind = re.sub("-(fixed|bipartite|mask-losses)", "", kind).replace("-", "_")
    folder, batch, iterations = RELEASES[data]
    if data in ("coco-panoptic", "ade20k-panoptic"):
        kind += "_panoptic"
    if not backbone.startswith("swin-"):
        return f"{folder}/{kind}_{backbone.upper().replace('C', 'c')}_bs{batch}_{iterations}k.yaml"
    size = SWINS[backbone.split("-")[1]]  # the two Swin-B differ in their pretrained weights alone
    end = "_res640" if data_of(name) == "ade20k_640" else ""
    return f"{folder}/swin/{kind}_swin_{size}_bs{batch}_{iterations}k{end}.yaml"


PAPER = [name for name in REPRODUCED if data_of(name) in DATA]
OF_DATA = {data: [name for name in PAPER if data_of(name) == data] for data in DATA}
EACH_DATA_SET = pytest.mark.parametrize("data", DATA)
# For each backbone a config, and the heads that differ in parameters.
TRAINED = [
    *(f"maskformer_{backbone}_ade20k.py" for backbone in ("r50", "r101", "r101c", "swin-t", "swin-s", "swin-b")),
    "maskformer_swin-l_ade20k.py",
    "per-pixel-baseline_r50_ade20k.py",
    "per-pixel-baseline-plus_r50_ade20k.py",
]
KINDS_OF_MATCHING = ("", "-fixed", "-bipartite")


def test_the_papers_models_are_all_there() -> None:
    assert {data: len(names) for data, names in OF_DATA.items()} == {
        "ade20k": 10, "ade20k_640": 3, "ade20k-full": 5, "coco-stuff-10k": 5, "cityscapes": 4, "mapillary": 1
    }  # fmt: skip


def test_the_parameters_of_every_config_are_listed() -> None:
    assert sorted(STATE_DICTS) == ALL, "python tests/list_state_dicts.py adds what is new"


@pytest.mark.parametrize("name", ALL)
def test_a_config_builds_with_the_classes_of_its_data_and_with_parameters_that_checkpoints_load_into(name: str) -> None:
    cfg, model = config(name), built(name)
    assert cfg.default_scope == ("mmdet" if name in DETECTORS else "mmseg")
    assert cfg.custom_imports["imports"] == ["mmmaskformer"]
    init_default_scope(cfg.default_scope)
    assert len(dataset_classes(cfg.train_dataloader.dataset)) == head_of(model).num_classes
    assert digest(model) == STATE_DICTS[name]
    if name in SEGMENTORS:  # mmseg's own puts a softmax on probabilities
        assert cfg.tta_model.type == "mmmaskformer.SemanticTTAModel"


def test_models_have_as_many_parameters_as_the_releases_and_none_is_missing(release_parameters: dict[str, int]) -> None:
    panoptic = [name for name in REPRODUCED if re.match("maskformer_.*_(coco|ade20k)-panoptic", name)]
    releases = {name: release_of(name) for name in [*PAPER, *panoptic]}
    assert set(releases.values()) >= release_parameters.keys()
    # The release has no baselines for Cityscapes; the paper's Table 2 has.
    missing = {name for name, release in releases.items() if release not in release_parameters}
    assert missing == {f"per-pixel-baseline{kind}_r101_cityscapes.py" for kind in ("", "-plus")}
    more = {f"maskformer-{kind}_r50_ade20k.py": 50 * 256 for kind in ("fixed", "bipartite")}  # queries
    expected = {name: release_parameters[releases[name]] + more.get(name, 0) for name in releases.keys() - missing}
    assert {name: trained_parameters(built(name)) for name in expected} == expected


def test_the_configs_that_train_have_every_part_that_a_config_has() -> None:
    running = set().union(*(parts(name) for name in RUNNING + RUNNING_DETECTORS))
    assert {name: parts(name) - running for name in ALL if not parts(name) <= running} == {}


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


@pytest.mark.parametrize("name", TRAINED)
def test_norms_of_a_resnet_are_frozen_and_only_weights_outside_norms_and_embeddings_decay(name: str) -> None:
    assert_trained_as_the_paper(name)
    of_this_backbone = [other for other in PAPER if name.split("_")[1] == other.split("_")[1]]
    assert {str(config(other).model.backbone) for other in of_this_backbone} == {str(config(name).model.backbone)}


def test_r101c_dilates_the_last_stage_by_1_2_4_at_stride_32() -> None:
    blocks = built("maskformer_r101c_ade20k.py").backbone.layer4
    assert [block.conv2.dilation for block in blocks] == [(1, 1), (2, 2), (4, 4)]
    assert [block.conv2.stride for block in blocks] == [(2, 2), (1, 1), (1, 1)]


@pytest.mark.parametrize("name", [name for name in TRAINED if "_swin-" in name])
def test_swins_drop_paths_grow_to_0_3(name: str) -> None:
    blocks = [block for stage in built(name).backbone.stages for block in stage.blocks]
    assert blocks[0].attn.drop.drop_prob == 0 and blocks[-1].attn.drop.drop_prob == pytest.approx(0.3)


@pytest.mark.parametrize(("data", "swin"), sorted({(data_of(name), "_swin-" in name) for name in PAPER}))
def test_the_learning_rate_is_a_warm_up_that_multiplies_the_poly_schedule(data: str, swin: bool) -> None:
    names = [name for name in OF_DATA[data] if ("_swin-" in name) == swin]
    assert_shared(names, *SCHEDULE_SECTIONS)
    assert_shared([f"maskformer_{'swin-t' if swin else 'r50'}_ade20k.py", *names], "optim_wrapper")
    cfg, length, iterations = config(names[0]), schedule_of(names[0]).warm_up, DATA[data].iterations
    for iteration, rate in enumerate(learning_rates(cfg.param_scheduler, length + 50)):
        expected = warm_up(iteration, length) * (1 - iteration / iterations) ** 0.9
        assert rate == pytest.approx(expected, rel=1e-9)
    assert cfg.train_cfg.max_iters == iterations
    assert all(scheduler.end - 1 in (length, iterations) for scheduler in cfg.param_scheduler)
    assert cfg.auto_scale_lr.base_batch_size == cfg.train_dataloader.batch_size * 8 == DATA[data].batch


@EACH_DATA_SET
def test_configs_of_one_data_set_differ_in_model_and_schedule_alone(data: str) -> None:
    assert_shared(OF_DATA[data], *DATA_SECTIONS, "tta_pipeline")
    assert len({str(config(name).model.data_preprocessor) for name in OF_DATA[data]}) == 1


@EACH_DATA_SET
def test_the_data_set_is_the_papers_with_one_void_label_and_both_metrics_are_taken(data: str) -> None:
    expected, cfg = DATA[data], config(OF_DATA[data][0])
    for dataloader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert dataloader.dataset.type == expected.dataset
        assert len(dataset_classes(dataloader.dataset)) == expected.classes
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        assert [metric.type for metric in evaluator] == ["IoUMetric", "mmmaskformer.SemanticPQMetric"]
        assert {metric.get("ignore_index", 255) for metric in evaluator} == {expected.void}
    for name in OF_DATA[data]:
        model = built(name)
        assert model.decode_head.ignore_index == model.data_preprocessor.seg_pad_val == expected.void


@EACH_DATA_SET
def test_training_images_are_resized_cropped_padded_and_augmented_as_the_recipe_says(data: str) -> None:
    cfg, expected = config(OF_DATA[data][0]), DATA[data]
    pipeline = cfg.train_dataloader.dataset.pipeline
    resize = transform(pipeline, "RandomChoiceResize")
    sides, side = resize["scales"], expected.short_side
    assert (sides[0], sides[5], sides[-1]) == (side // 2, side, side * expected.largest)
    # In steps of a tenth, rounded down.
    assert sides == sorted(sides) and all(abs(b - a - side / 10) < 1 for a, b in zip(sides, sides[1:]))
    assert (resize["resize_type"], resize["max_size"]) == ("ResizeShortestEdge", expected.max_size)
    crop = transform(pipeline, "RandomCrop")
    assert tuple(crop["crop_size"]) == expected.crop and crop["cat_max_ratio"] == 1.0
    assert transform(pipeline, "RandomFlip")["prob"] == 0.5
    assert transform(pipeline, "PhotoMetricDistortion")
    pads = [(tuple(step["size"]), step["pad_val"]) for step in pipeline if step["type"] == "Pad"]
    assert pads == ([(expected.crop, dict(img=128, seg=expected.void))] if expected.pads else [])
    assert tuple(cfg.model.data_preprocessor.size) == expected.crop


@EACH_DATA_SET
def test_test_images_are_resized_and_padded_as_the_recipe_says(data: str) -> None:
    cfg, expected = config(OF_DATA[data][0]), DATA[data]
    resize = transform(cfg.test_dataloader.dataset.pipeline, "ResizeShortestEdge")
    assert (resize["scale"], resize["max_size"]) == (expected.short_side, expected.test_max_size)
    assert not any(step["type"] == "Pad" for step in cfg.test_dataloader.dataset.pipeline)
    preprocessor = built(OF_DATA[data][0]).data_preprocessor
    assert cfg.model.data_preprocessor.bgr_to_rgb
    assert cfg.model.data_preprocessor.mean == [123.675, 116.28, 103.53]
    assert cfg.model.data_preprocessor.std == [58.395, 57.12, 57.375]
    assert (preprocessor.pad_val, preprocessor.test_cfg) == (0, dict(size_divisor=32))

    scales = transform(cfg.tta_pipeline, "TestTimeAug")["transforms"][0]
    assert [(step["scale"], step["max_size"]) for step in scales] == [
        (side, expected.multi_scale_max_size) for side in expected.multi_scale
    ]
