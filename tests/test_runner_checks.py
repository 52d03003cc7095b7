"""A run that names a part of ours refuses data on which it would train in vain, before the first iteration."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import segmenter
import tiny_panoptic
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import BaseLoop, Runner
from tiny import make_dataset as make_semantic_dataset
from tiny import write_config as write_semantic_config

from mmmaskformer.errors import UserError
from mmmaskformer.runs import check_categories

TRAINING = """
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type="InfiniteSampler"), dataset=dict(
        type="CocoDataset", data_root=dataset["data_root"], ann_file="instances.json", data_prefix=dict(img="images"),
        metainfo=dict(classes={classes!r}), serialize_data=False,  # which takes a second to collect garbage
        pipeline=[
            dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", with_mask=True), dict(type="PackDetInputs"),
        ],
    ),
)
train_cfg = dict(type="IterBasedTrainLoop", max_iters=1)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01))
model = dict(
    panoptic_head=dict(num_things_classes=3, num_stuff_classes=0), data_preprocessor=dict(pad_mask=True)
)
"""
PANOPTIC = dict(
    type="CocoPanopticDataset",
    ann_file="panoptic.json",
    data_prefix=dict(img="images", seg="panoptic"),
    pipeline=[
        dict(type="LoadImageFromFile"),
        dict(type="mmmaskformer.LoadPanopticAnnotations"),
        dict(type="PackDetInputs"),
    ],
)
WRONG = ("Square", "left", "right")
PANOPTIC_WRONG = dict(classes=WRONG, thing_classes=WRONG[:1], stuff_classes=WRONG[1:])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the pictures of tiny_panoptic.py; mmdet's data set wants ids that are unique in the file."""
    folder = tiny_panoptic.make_dataset(tmp_path_factory.mktemp("files") / "data")
    content = json.loads((folder / "instances.json").read_text())
    for index, annotation in enumerate(content["annotations"]):
        annotation["id"] = index + 1
    (folder / "instances.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def cfg(files: Path, tmp_path: Path) -> Config:
    """Config that trains our detector on instances."""
    path = tiny_panoptic.write_config(tmp_path / "tiny.py", files)
    path.write_text(path.read_text() + TRAINING.format(classes=tiny_panoptic.CLASSES))
    return Config.fromfile(path)


def annotations(files: Path, tmp_path: Path, **changes: Any) -> str:
    """A copy of the file of instances with other contents."""
    content = json.loads((files / "instances.json").read_text())
    (tmp_path / "instances.json").write_text(json.dumps({**content, **changes}))
    return str(tmp_path / "instances.json")


def make_runner(cfg: Config, tmp_path: Path) -> Runner:
    """A plain Runner, which leaves out the slow writing of the config."""
    init_default_scope(cfg.default_scope)
    keys = ("dataloader", "evaluator", "cfg")
    splits = {f"{split}_{key}": cfg.get(f"{split}_{key}") for split in ("train", "val", "test") for key in keys}
    splits.pop("train_evaluator")
    if splits["test_cfg"] is None:
        splits.update(test_dataloader=None, test_evaluator=None)
    return Runner(
        cfg.model,
        work_dir=str(tmp_path / "work"),
        optim_wrapper=cfg.optim_wrapper,
        env_cfg=cfg.env_cfg,
        default_scope=cfg.default_scope,
        experiment_name=tmp_path.name,
        **splits,
    )


def refused(cfg: Config, tmp_path: Path, words: str, run: str = "train") -> None:
    """A Runner refuses its data with these words, before an iteration."""
    runner = make_runner(cfg, tmp_path)
    with pytest.raises(UserError, match=words):
        getattr(runner, run)()
    assert not isinstance(runner._train_loop, BaseLoop) or runner._train_loop.iter == 0


WRAPPERS = {
    "plain": lambda dataset: dataset,
    "concatenated": lambda dataset: dict(type="ConcatDataset", datasets=[dataset, dataset]),
    "repeated": lambda dataset: dict(type="RepeatDataset", times=2, dataset=dataset),
    "balanced": lambda dataset: dict(type="ClassBalancedDataset", oversample_thr=0.1, dataset=dataset),
    "nested": lambda dataset: dict(
        type="RepeatDataset", times=2, dataset=dict(type="ConcatDataset", datasets=[dataset])
    ),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("kind", ["CocoDataset", "CocoPanopticDataset", "mmmaskformer.CheckedPanopticDataset"])
def test_a_class_that_is_no_category_is_named(cfg: Config, tmp_path: Path, wrap, kind: str) -> None:
    dataset = cfg.train_dataloader.dataset
    if kind == "CocoDataset":
        dataset.metainfo = dict(classes=WRONG)
    else:
        dataset.update({**PANOPTIC, "type": kind, "metainfo": PANOPTIC_WRONG})
    cfg.train_dataloader.dataset = wrap(dataset)
    refused(cfg, tmp_path, r"'Square' is no category of .*\.json \(square, left, right\); did you mean square\?")


def test_missing_metainfo_is_cocos_and_refused(cfg: Config, tmp_path: Path) -> None:
    del cfg.train_dataloader.dataset["metainfo"]
    refused(
        cfg,
        tmp_path,
        r"'person', 'bicycle', .*, \.\.\. \(80 of 80 classes\) are no categories of .*instances\.json \(square,",
    )


def test_the_validation_data_and_their_metric_are_compared_before_training(
    cfg: Config, files: Path, tmp_path: Path
) -> None:
    cfg.val_cfg, cfg.val_dataloader, cfg.val_evaluator = dict(), cfg.test_dataloader, cfg.test_evaluator
    cfg.train_dataloader.dataset.metainfo.classes = tiny_panoptic.CLASSES
    other = annotations(files, tmp_path, categories=[dict(id=7, name="rectangle", isthing=1)])
    cfg.val_evaluator[1].ann_file = other
    refused(cfg, tmp_path, r"val_evaluator \(CocoMetric\): 'square' is no category of .*instances\.json \(rectangle\)")
    cfg.val_dataloader.dataset.metainfo = PANOPTIC_WRONG
    refused(cfg, tmp_path, r"val_dataloader \(CocoPanopticDataset\): 'Square' is no category")


def test_a_test_run_is_refused_as_well(cfg: Config, tmp_path: Path) -> None:
    cfg.test_dataloader.dataset.metainfo = PANOPTIC_WRONG
    refused(cfg, tmp_path, "'Square' is no category", run="test")


def test_a_metrics_file_of_things_alone_is_right(cfg: Config, files: Path, tmp_path: Path) -> None:
    init_default_scope(cfg.default_scope)  # without it the metric's name says nothing
    things = annotations(files, tmp_path, categories=tiny_panoptic.CATEGORIES[:1])
    cfg.test_evaluator[1].ann_file = things
    check_categories(cfg, ["test_dataloader"])
    cfg.test_evaluator[1].ann_file = str(tmp_path / "cubes.json")
    (tmp_path / "cubes.json").write_text(Path(things).read_text().replace("square", "cube"))
    with pytest.raises(UserError, match=r"'square' is no category of .*cubes\.json \(cube\)"):
        check_categories(cfg, ["test_dataloader"])


def test_a_data_loader_that_is_built_already_is_compared_too(cfg: Config, tmp_path: Path) -> None:
    cfg.train_dataloader.dataset.metainfo = dict(classes=WRONG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmmaskformer.runner_checks._configs", lambda runner, split: {})
        refused(cfg, tmp_path, r"^CocoDataset: 'Square' is no category")


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_images_without_any_instance_are_nothing_to_train_on(cfg: Config, files: Path, tmp_path: Path, wrap) -> None:
    cfg.train_dataloader.dataset.ann_file = annotations(files, tmp_path, annotations=[])
    cfg.train_dataloader.dataset = wrap(cfg.train_dataloader.dataset)
    refused(
        cfg,
        tmp_path,
        r"CocoDataset \(.*instances\.json\).*\d images, but no instance of any class \(square, left, right\)",
    )


@pytest.mark.parametrize("kind", ["CocoPanopticDataset", "mmmaskformer.CheckedPanopticDataset"])
def test_panoptic_images_without_any_segment_are_nothing_to_train_on(
    cfg: Config, kind: str, files: Path, tmp_path: Path
) -> None:
    content = json.loads((files / "panoptic.json").read_text())
    for annotation in content["annotations"]:
        annotation["segments_info"] = []
    (tmp_path / "empty.json").write_text(json.dumps(content))
    metainfo = cfg.metainfo
    cfg.train_dataloader.dataset.update(
        {**PANOPTIC, "type": kind, "metainfo": metainfo, "ann_file": str(tmp_path / "empty.json")}
    )
    refused(cfg, tmp_path, r"2 images, but no instance of any class")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_set_of_which_nothing_is_left_is_refused(cfg: Config, workers: int, files: Path, tmp_path: Path) -> None:
    cfg.train_dataloader.num_workers = workers
    cfg.train_dataloader.dataset.serialize_data = workers == 1
    cfg.train_dataloader.dataset.ann_file = annotations(files, tmp_path, annotations=[])
    cfg.train_dataloader.dataset.filter_cfg = dict(filter_empty_gt=True)
    refused(cfg, tmp_path, r"the data set CocoDataset \(.*instances\.json\) has no sample")


@pytest.mark.usefixtures("safeguarded")  # the run names no part of the package
def test_an_empty_folder_of_images_is_refused_for_any_model(tmp_path: Path) -> None:
    cfg = Config.fromfile(write_semantic_config(tmp_path / "tiny.py", make_semantic_dataset(tmp_path / "data", 1)))
    cfg.train_dataloader.dataset.img_suffix = ".jpg"
    refused(cfg, tmp_path, r"the data set BaseSegDataset \(.*data\) has no sample")


@pytest.mark.parametrize("truth", ["instances", "some instances", "segments", "semantic maps"])
def test_data_that_hold_something_to_train_on_are_trained_on(
    cfg: Config, truth: str, files: Path, tmp_path: Path
) -> None:
    dataset = cfg.train_dataloader.dataset
    if truth == "some instances":
        empty = {**dataset, "ann_file": annotations(files, tmp_path, annotations=[])}
        cfg.train_dataloader.dataset = dict(type="ConcatDataset", datasets=[empty, dataset])
        cfg.train_dataloader.batch_size = 4
    elif truth == "segments":
        dataset.update({**PANOPTIC, "metainfo": cfg.metainfo})
        cfg.model.panoptic_head.update(num_things_classes=1, num_stuff_classes=2)
        cfg.model.data_preprocessor.update(pad_seg=True, seg_pad_value=255)
    elif truth == "semantic maps":
        dataset.update(ann_file=annotations(files, tmp_path, annotations=[]), seg_map_suffix=".png")
        dataset.data_prefix = dict(img="images", seg="annotations")
        dataset.pipeline[1] = dict(type="LoadAnnotations", with_bbox=False, with_seg=True)
        cfg.model.panoptic_head.update(num_things_classes=0, num_stuff_classes=3)
        cfg.model.data_preprocessor.update(pad_mask=False, pad_seg=True, seg_pad_value=255)
    runner = make_runner(cfg, tmp_path)
    runner.train()
    assert runner.iter == 1


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_wrong_ending_of_label_maps_is_named_with_the_files_that_are_there(split: str, tmp_path: Path) -> None:
    config = segmenter.write_config(tmp_path / "tiny.py", make_semantic_dataset(tmp_path / "data"))
    cfg = Config.fromfile(config)
    cfg.model.decode_head.num_classes = 3
    cfg[f"{split}_dataloader"] = copy.deepcopy(cfg[f"{split}_dataloader"])
    cfg[f"{split}_dataloader"].dataset.seg_map_suffix = "_gt.png"
    words = r"label map \S+/0_gt\.png does not exist\. seg_map_suffix is '_gt\.png', and in the folder are 0\.png, "
    refused(cfg, tmp_path, words, run=split)
