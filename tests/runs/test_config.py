"""A config is read with clear errors, and its parts are made to agree."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import MMLogger
from tiny import write_config

from mmmaskformer.analysis.complexity import build_on_meta
from mmmaskformer.errors import UserError
from mmmaskformer.runs import load_config, sync_dataset_meta

CITIES = {"type": "CityscapesDataset"}


def custom(*classes: str) -> dict:
    return {"type": "BaseSegDataset", "metainfo": {"classes": classes}}


def make(dataset: dict, head: dict, **others) -> Config:
    return Config({"train_dataloader": {"dataset": dataset}, "model": {"decode_head": head}, **others})


@pytest.fixture(autouse=True)
def config_file(tmp_path: Path) -> Path:
    """A real config file; reading it enters mmseg's scope."""
    path = write_config(tmp_path / "fcn_tiny.py", tmp_path / "data")
    load_config(path)
    return path


def test_the_work_folder_is_named_after_the_config(config_file: Path) -> None:
    assert load_config(config_file).work_dir == "work_dirs/fcn_tiny"


def test_overrides_reach_into_the_config(config_file: Path) -> None:
    assert load_config(config_file, {"model.decode_head.channels": 12}).model.decode_head.channels == 12


def test_a_missing_config_is_named_with_close_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"fcn_tinny\.py does not exist; did you mean fcn_tiny\.py\?"):
        load_config(tmp_path / "fcn_tinny.py")


def test_a_config_whose_name_is_like_no_other_has_no_close_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"upernet\.py does not exist$"):
        load_config(tmp_path / "upernet.py")
    with pytest.raises(UserError, match=r"fcn_tiny does not exist; did you mean fcn_tiny\.py\?$"):
        load_config(tmp_path / "fcn_tiny")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.py", "model = dict(", "was never closed"),
        ("a.py", "_base_ = 'nowhere.py'", "nowhere.py"),
        ("a.py", "_base_ = './a.py'", "it inherits from itself: follow its _base_"),
        ("a.py", "_base_ = 5", "TypeError"),
        ("a.py", "_base_ = 'nopackage::x.py'", "specify the package name"),
        ("a.py", "x = 1\ny = x / 0", "ZeroDivisionError in line 2: division by zero"),
        ("a.py", "x = undefined", "NameError in line 1: name 'undefined' is not defined"),
        ("a.py", "raise SystemExit(3)", "SystemExit"),
        ("a.py", "custom_imports = dict(imports=['nothere'], allow_failed_imports=False)", "nothere"),
        ("a.py", "model = {{_base_.model}}", "KeyError: 'model'"),
        ("a.json", '{"model": ', "JSONDecodeError: Expecting value"),
        ("a.yaml", "model: [1", "ParserError: while parsing"),
        ("a.txt", "model", "Only py/yml/yaml/json"),
    ],
)
def test_a_config_that_cannot_be_read_is_one_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UserError, match=rf"{re.escape(str(path))} cannot be read: .*{re.escape(message)}") as error:
        load_config(path)
    assert "\n" not in str(error.value)


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder: name a file in it"):
        load_config(tmp_path)


def test_the_class_count_follows_a_custom_data_sets_class_names() -> None:
    cfg = make(custom("road", "sky"), {"type": "FCNHead", "num_classes": 150, "out_channels": 150})
    sync_dataset_meta(cfg, ["train_dataloader"])
    assert (cfg.model.decode_head.num_classes, cfg.model.decode_head.out_channels) == (2, 2)


def test_the_class_count_follows_the_class_names_that_a_data_set_type_brings() -> None:
    cfg = make(CITIES, {"type": "FCNHead", "num_classes": 150})
    sync_dataset_meta(cfg, ["train_dataloader"])
    assert cfg.model.decode_head.num_classes == 19


def test_a_wrapped_data_set_is_looked_into() -> None:
    parts = [custom("road", "sky"), custom("road", "sky")]
    cfg = make({"type": "RepeatDataset", "dataset": {"type": "ConcatDataset", "datasets": parts}}, {"type": "FCNHead"})
    sync_dataset_meta(cfg, ["train_dataloader"])
    assert cfg.model.decode_head.num_classes == 2


def test_auxiliary_heads_follow_too() -> None:
    cfg = make(custom("road", "sky"), {"type": "FCNHead", "num_classes": 19})
    cfg.model.auxiliary_head = [{"type": "FCNHead", "num_classes": 19}]
    sync_dataset_meta(cfg, ["train_dataloader"])
    assert cfg.model.auxiliary_head[0].num_classes == 2


def test_equal_class_weights_and_the_no_object_weight_follow() -> None:
    head = {
        "type": "MaskFormerHead",
        "num_classes": 4,
        "out_channels": 4,
        "loss_cls": {"class_weight": [1.0] * 4 + [0.1]},
    }
    cfg = make(custom("road", "sky"), head)
    sync_dataset_meta(cfg, ["train_dataloader"])
    assert cfg.model.decode_head.loss_cls.class_weight == [1.0, 1.0, 0.1]
    assert cfg.model.decode_head.out_channels == 4  # the mask embedding's width


def test_class_weights_of_their_own_cannot_be_guessed() -> None:
    cfg = make(custom("road", "sky"), {"num_classes": 3, "loss_decode": {"class_weight": [1.0, 2.0, 3.0]}})
    with pytest.raises(UserError, match=r"model\.decode_head\.loss_decode\.class_weight lists weights for 3 classes"):
        sync_dataset_meta(cfg, ["train_dataloader"])


def test_two_data_sets_that_disagree_are_both_named() -> None:
    cfg = make(custom("road", "sky"), {"num_classes": 2}, val_dataloader={"dataset": CITIES})
    with pytest.raises(UserError, match=r"train_dataloader \(BaseSegDataset\) has 2.*CityscapesDataset\) has 19"):
        sync_dataset_meta(cfg, ["train_dataloader", "val_dataloader"])


@pytest.mark.parametrize(
    "model",
    [
        {"bbox_head": {"type": "ATSSVLFusionHead", "num_classes": 80}},
        {"text_encoder": {"dataset_name": "voc"}, "decode_head": {"type": "SideAdapterCLIPHead", "num_classes": 20}},
    ],
    ids=["a detector without masks", "an open vocabulary"],
)
def test_a_model_whose_classes_do_not_follow_the_data_is_left_alone(model: dict) -> None:
    cfg = Config({"train_dataloader": {"dataset": custom("road", "sky")}, "val_dataloader": {"dataset": CITIES}})
    cfg.model = model
    sync_dataset_meta(cfg, ["train_dataloader", "val_dataloader"])
    assert cfg.model.to_dict() == model


def test_a_data_set_that_is_not_used_does_not_matter() -> None:
    cfg = make(custom("road", "sky"), {}, val_dataloader={"dataset": CITIES})
    sync_dataset_meta(cfg, ["train_dataloader"])
    assert cfg.model.decode_head.num_classes == 2


def test_without_training_data_the_test_data_set_decides() -> None:
    cfg = Config({"train_dataloader": None, "test_dataloader": {"dataset": CITIES}, "model": {"decode_head": {}}})
    sync_dataset_meta(cfg, ["train_dataloader", "test_dataloader"])
    assert cfg.model.decode_head.num_classes == 19


def test_class_names_that_a_data_set_type_cannot_have_are_refused_with_the_mend() -> None:
    cfg = make({**CITIES, "metainfo": {"classes": ("road", "unicorn")}}, {"num_classes": 2})
    with pytest.raises(UserError, match=r"'unicorn'.*type='BaseSegDataset'"):
        sync_dataset_meta(cfg, ["train_dataloader"])


def test_some_of_a_data_sets_own_classes_may_be_kept() -> None:
    cfg = make({**CITIES, "metainfo": {"classes": ("road", "sky")}}, {"num_classes": 19})
    sync_dataset_meta(cfg, ["train_dataloader"])
    assert cfg.model.decode_head.num_classes == 2


def panoptic(things: int, stuff: int, **metainfo) -> dict:
    """A panoptic data set of mmdet with so many classes."""
    names = [f"class {index}" for index in range(things + stuff)]
    metainfo = dict(classes=names, thing_classes=names[:things], stuff_classes=names[things:], **metainfo)
    return {"type": "mmdet.CocoPanopticDataset", "metainfo": metainfo}


def instances(*classes: str) -> dict:
    return {"type": "mmdet.CocoDataset", "metainfo": {"classes": classes}}


def make_panoptic(dataset: dict, things: int | None = 80, stuff: int | None = 53, **head) -> Config:
    counts = {"num_things_classes": things, "num_stuff_classes": stuff}
    head = {**head, **{key: value for key, value in counts.items() if value is not None}}
    return Config({"train_dataloader": {"dataset": dataset}, "model": {"panoptic_head": head}})


def things_and_stuff(cfg: Config, head: str = "panoptic_head") -> tuple[int, int]:
    sync_dataset_meta(cfg, ["train_dataloader"])
    return cfg.model[head].num_things_classes, cfg.model[head].num_stuff_classes


def test_things_and_stuff_follow_the_data_set() -> None:
    assert things_and_stuff(make_panoptic(panoptic(5, 6))) == (5, 6)
    assert things_and_stuff(make_panoptic(panoptic(1, 0))) == (1, 0)
    assert things_and_stuff(make_panoptic({"type": "mmdet.CocoPanopticDataset"}, 1, 1)) == (80, 53)


def test_a_head_that_gives_no_counts_gets_them() -> None:
    assert things_and_stuff(make_panoptic(panoptic(5, 6), None, None)) == (5, 6)


def test_mmdets_own_maskformer_follows_with_its_fusion_head_and_class_weights() -> None:
    cfg = make_panoptic(panoptic(2, 1), loss_cls={"class_weight": [1.0] * 133 + [0.1]})
    cfg.model.panoptic_fusion_head = {"num_things_classes": 80, "num_stuff_classes": 53}
    assert things_and_stuff(cfg) == things_and_stuff(cfg, "panoptic_fusion_head") == (2, 1)
    assert cfg.model.panoptic_head.loss_cls.class_weight == [1.0, 1.0, 1.0, 0.1]


def test_a_data_set_of_instances_makes_all_classes_things_for_a_head_without_stuff() -> None:
    assert things_and_stuff(make_panoptic(instances("cat", "dog"), 80, 0)) == (2, 0)


def test_a_semantic_data_set_makes_all_classes_stuff_for_a_head_without_things() -> None:
    dataset = {"type": "mmdet.BaseSegDataset", "metainfo": {"classes": ("road", "sky", "tree")}}
    assert things_and_stuff(make_panoptic(dataset, 0, 150)) == (0, 3)


def test_a_data_set_that_tells_no_things_leaves_counts_that_add_up() -> None:
    assert things_and_stuff(make_panoptic(instances("cat", "dog", "sky"), 2, 1)) == (2, 1)


def test_a_data_set_that_tells_no_things_cannot_say_how_many_of_another_number_are() -> None:
    with pytest.raises(UserError, match=r"num_things_classes=80 and num_stuff_classes=53.* set both numbers"):
        things_and_stuff(make_panoptic(instances("cat", "dog")))


def test_things_and_stuff_that_do_not_add_up_are_refused() -> None:
    cfg = make_panoptic({"type": "mmdet.CocoPanopticDataset", "metainfo": {"classes": ("person", "background")}})
    with pytest.raises(UserError, match=r"80 thing_classes and 53 stuff_classes, but 2 classes: metainfo must give"):
        sync_dataset_meta(cfg, ["train_dataloader"])


def test_two_data_sets_that_split_the_same_classes_differently_are_both_named() -> None:
    cfg = make_panoptic(panoptic(2, 1))
    cfg.val_dataloader = {"dataset": panoptic(1, 2)}
    with pytest.raises(UserError, match=r"has 3 classes \(2 things and 1 stuff\), but val.*\(1 things and 2 stuff\)"):
        sync_dataset_meta(cfg, ["train_dataloader", "val_dataloader"])


@pytest.mark.parametrize("name", ["maskformer_r50_ade20k", "maskformer_r50_ade20k.py"])
def test_one_of_the_packages_configs_is_found_by_its_name(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(name).model.type == "mmmaskformer.MaskFormerSegmentor"
    with pytest.raises(UserError, match=r"did you mean maskformer_r50_ade20k\.py or "):
        load_config("maskformer_r50_ade20")


def test_a_former_path_works_and_says_what_it_is_now(caplog) -> None:
    MMLogger.get_current_instance().addHandler(caplog.handler)
    configs = Path(__file__).resolve().parents[2] / "configs"
    cfg = load_config(configs / "per-pixel-baseline_r50_ade20k.py")
    assert cfg.filename == str(configs / "per_pixel" / "per-pixel-baseline_r50_ade20k.py")
    assert "configs/per_pixel/per-pixel-baseline_r50_ade20k.py now" in caplog.text
    MMLogger.get_current_instance().removeHandler(caplog.handler)
    assert load_config(configs / "maskformer_swin-l_ade20k.py").model.backbone.embed_dims == 192


@pytest.mark.parametrize("name", ["maskformer_efficientnet-lite0_shapes", "maskformer_efficientnet-lite0_pennfudan"])
def test_a_config_inherits_one_of_the_packages_in_one_step_and_in_two(name: str, tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(f"_base_ = 'mmmaskformer::maskformer/{name}.py'")
    (tmp_path / "two.py").write_text("_base_ = './one.py'\ntrain_cfg = dict(max_iters=7)")
    for path in ("one.py", "two.py"):
        cfg = load_config(tmp_path / path)
        assert build_on_meta(cfg)
        transforms = Compose(cfg.train_dataloader.dataset.pipeline).transforms
        assert len(transforms) == len(cfg.train_dataloader.dataset.pipeline)
    assert cfg.train_cfg.max_iters == 7
