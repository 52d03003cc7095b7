"""Mistakes are found before a run starts, each with a message that names it."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmmaskformer.errors import UserError
from mmmaskformer.runs import check_checkpoint_exists, check_checkpoint_fits, check_data_paths, check_sizes


@pytest.mark.parametrize(
    "path, value",
    [
        ("model.decode_head.num_queries", 0),
        ("model.decode_head.in_channels", [24, -40]),
        ("model.decode_head.transformer_decoder.num_layers", -1),
        ("model.data_preprocessor.size", (512, -512)),
        ("model.panoptic_head.num_stuff_classes", -1),
        ("model.test_cfg.max_per_image", 0),
        ("train_dataloader.batch_size", 0),
        ("train_dataloader.num_workers", -1),
        ("train_cfg.max_iters", 0),
    ],
)
def test_a_size_that_means_nothing_is_named_with_its_path(path: str, value: object) -> None:
    cfg = Config({"model": {}, "train_dataloader": {}, "train_cfg": {}})
    cfg.merge_from_dict({path: value})
    with pytest.raises(UserError, match=rf"{path.replace('.', chr(92) + '.')} is .* must be at least"):
        check_sizes(cfg)


@pytest.mark.parametrize(
    "step",
    [
        {"type": "InstaBoost", "scale": (0.8, 1.2)},
        {"type": "RandomCrop", "crop_type": "relative_range", "crop_size": (0.384, 0.6)},
        {"type": "Resize", "scale": (-1, 512)},
        {"type": "Resize", "scale": 512},
    ],
)
def test_a_transforms_factors_are_no_sizes(step: dict) -> None:
    cfg = Config({"train_dataloader": {"dataset": {"pipeline": [step]}}})
    check_sizes(cfg)
    step["size"] = 0
    with pytest.raises(UserError, match="size is 0"):
        check_sizes(Config({"train_dataloader": {"dataset": {"pipeline": [step]}}}))


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"scale": (0, 512)}, r"scale is \(0, 512\): must be at least 1"),
        ({"scale": (-0.8, 1.2)}, r"scale is \(-0.8, 1.2\): must be more than 0"),
        ({"crop_size": (0.0, 0.5)}, r"crop_size is \(0.0, 0.5\): must be more than 0"),
        ({"size": -1}, "size is -1: must be at least 1"),
    ],
)
def test_a_factor_or_size_of_a_transform_that_means_nothing_is_named(step: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_sizes(Config({"train_dataloader": {"dataset": {"pipeline": [step]}}}))


def test_a_model_may_have_no_stuff() -> None:
    check_sizes(Config({"model": {"panoptic_head": {"num_things_classes": 80, "num_stuff_classes": 0}}}))
    with pytest.raises(UserError, match="num_classes is 0"):
        check_sizes(Config({"model": {"decode_head": {"num_classes": 0}}}))


def test_a_negative_crop_inside_a_pipeline_is_named() -> None:
    pipeline = [{"type": "Resize", "scale": (-1, 512)}, {"type": "RandomCrop", "crop_size": (-256, 256)}]
    cfg = Config({"train_dataloader": {"dataset": {"pipeline": pipeline}}})
    with pytest.raises(UserError, match=r"train_dataloader\.dataset\.pipeline\[1\]\.crop_size is \(-256, 256\)"):
        check_sizes(cfg)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.png").touch()
    return tmp_path


def dataloader(**dataset: object) -> Config:
    return Config({"train_dataloader": {"dataset": {"type": "mmseg.BaseSegDataset", **dataset}}})


@pytest.mark.parametrize(
    "dataset, name",
    [
        ({"data_root": "{data}/nowhere"}, "data_root"),
        ({"data_root": "{data}", "data_prefix": {"img_path": "pictures"}}, "data_prefix.img_path"),
        ({"data_root": "{data}", "ann_file": "train.txt"}, "ann_file"),
    ],
)
def test_a_missing_folder_or_file_is_named(data: Path, dataset: dict, name: str) -> None:
    dataset["data_root"] = dataset["data_root"].format(data=data)
    with pytest.raises(UserError, match=rf"train_dataloader\.dataset\.{name}=.* does not exist"):
        check_data_paths(dataloader(**dataset), ["train_dataloader"])


def test_a_folder_of_images_passes_and_an_empty_one_is_named(data: Path) -> None:
    check_data_paths(dataloader(data_root=str(data), data_prefix={"img_path": "images"}), ["train_dataloader"])
    (data / "empty").mkdir()
    with pytest.raises(UserError, match="empty is empty"):
        check_data_paths(dataloader(data_root=str(data), data_prefix={"img_path": "empty"}), ["train_dataloader"])


def test_a_missing_checkpoint_is_named_and_one_elsewhere_is_left_to_mmengine(tmp_path: Path) -> None:
    check_checkpoint_exists("https://example.org/maskformer.pth", "load_from")
    with pytest.raises(UserError, match=r"--resume: checkpoint .*iter_9\.pth does not exist"):
        check_checkpoint_exists(str(tmp_path / "iter_9.pth"), "--resume")


class TestCheckpointFits:
    @staticmethod
    def save(path: Path, model: nn.Module) -> str:
        torch.save({"state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, path)
        return str(path)

    def test_other_shapes_are_listed_with_both_but_may_be_fine_tuned(self, tmp_path: Path) -> None:
        path = self.save(tmp_path / "a.pth", nn.Linear(2, 3))
        check_checkpoint_fits(nn.Linear(2, 3), path)
        check_checkpoint_fits(nn.Linear(2, 4), path, whole=False)
        with pytest.raises(
            UserError, match=r"2 of 2 tensors: weight is \(3, 2\) there and \(4, 2\) here; bias is \(3,\)"
        ):
            check_checkpoint_fits(nn.Linear(2, 4), path)

    def test_missing_tensors_are_listed(self, tmp_path: Path) -> None:
        path = self.save(tmp_path / "a.pth", nn.Linear(2, 3, bias=False))
        with pytest.raises(UserError, match=r"lacks 1 of 2 tensors: bias"):
            check_checkpoint_fits(nn.Linear(2, 3), path)

    def test_a_checkpoint_of_another_model_is_refused_even_for_fine_tuning(self, tmp_path: Path) -> None:
        path = self.save(tmp_path / "a.pth", nn.Sequential(nn.Linear(2, 3)))
        with pytest.raises(UserError, match=r"of another model: it holds 0\.weight, 0\.bias; this model: weight, bias"):
            check_checkpoint_fits(nn.Linear(2, 3), path, whole=False)

    @pytest.mark.parametrize("content", [b"", b"no checkpoint"], ids=["empty", "text"])
    def test_a_file_that_is_no_checkpoint_is_named(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "broken.pth"
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"broken\.pth"):
            check_checkpoint_fits(nn.Linear(2, 3), str(path))

    def test_a_file_that_asks_for_classes_is_refused_in_the_readers_own_words(self, tmp_path: Path) -> None:
        torch.save(nn.Linear(2, 3), tmp_path / "whole.pth")
        with pytest.raises(
            UserError, match=r"^\S+whole\.pth is refused: it asks for torch\.nn\.modules\.linear\.Linear"
        ):
            check_checkpoint_fits(nn.Linear(2, 3), str(tmp_path / "whole.pth"))

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ([1, 2], "no weights by name"),
            (dict(state_dict=[torch.ones(1)]), "no weights by name"),
            (dict(state_dict=None), "no weights by name"),
            ({"state_dict": {1: torch.ones(1)}}, "no weights by name"),
            (dict(meta=[1], state_dict=nn.Linear(2, 3).state_dict()), "its meta is a list, expected a dict"),
        ],
    )
    def test_odd_contents_are_one_line(self, content: object, message: str, tmp_path: Path) -> None:
        torch.save(content, tmp_path / "odd.pth")
        with pytest.raises(UserError, match=rf"odd\.pth.* {message}"):
            check_checkpoint_fits(nn.Linear(2, 3), str(tmp_path / "odd.pth"), whole=False)
