"""Class names that are a string and void labels that are a class are refused when a model or data set is built."""

from pathlib import Path

import pytest
import tiny_detectors
from mmdet.datasets import CocoDataset
from mmengine.config import ConfigDict
from mmseg.datasets import BaseSegDataset
from tiny_models import build_head

from mmmaskformer.checkpoint.architecture import HeadSizes
from mmmaskformer.checkpoint.config_from_weights import ReleaseSettings, make_config
from mmmaskformer.datasets import CheckedPanopticDataset, CheckedSegDataset
from mmmaskformer.det.samples import segment_targets
from mmmaskformer.errors import UserError
from mmmaskformer.runs.dataset_info import class_counts

pytestmark = pytest.mark.usefixtures("safeguarded")
SEMANTIC = ["MaskFormerHead", "PerPixelBaselineHead", "PerPixelBaselinePlusHead"]


class Cells(BaseSegDataset):
    """A user's data set with the comma forgotten."""

    METAINFO = dict(classes=("cell"))


@pytest.mark.parametrize("dataset", [BaseSegDataset, CheckedSegDataset, CocoDataset, CheckedPanopticDataset])
@pytest.mark.parametrize("key", ["classes", "thing_classes", "stuff_classes"])
def test_a_string_of_class_names_is_refused_when_the_data_set_is_built(dataset: type, key: str) -> None:
    message = rf"^{dataset.__name__}: metainfo\.{key} is the string 'cell' .* 4 classes .*: write {key}=\('cell',\)"
    with pytest.raises(UserError, match=message):
        dataset(metainfo={"classes": ["cell"], key: ("cell")}, lazy_init=True)


def test_a_string_in_a_data_sets_own_metainfo_is_refused() -> None:
    with pytest.raises(UserError, match=r"Cells: metainfo\.classes is the string 'cell'"):
        Cells(lazy_init=True)


def test_a_string_is_refused_before_a_model_is_built() -> None:
    dataset = ConfigDict(type="mmseg.BaseSegDataset", metainfo=dict(classes="cell"))
    with pytest.raises(UserError, match=r"metainfo\.classes is the string 'cell'"):
        class_counts(dataset, "train_dataloader")


def test_the_name_of_a_file_of_class_names_is_not_taken_for_names(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cell\nnucleus\n")
    dataset = BaseSegDataset(metainfo=dict(classes=str(tmp_path / "classes.txt")), lazy_init=True)
    assert dataset.metainfo["classes"] == ["cell", "nucleus"]


@pytest.mark.parametrize("kind", SEMANTIC)
@pytest.mark.parametrize(("classes", "void", "better"), [(5, 0, 255), (5, 4, 255), (256, 255, 65535)])
def test_a_semantic_head_refuses_a_class_as_void(kind: str, classes: int, void: int, better: int) -> None:
    message = rf"{kind}: ignore_index={void} is one of the {classes} classes.* set ignore_index={better}"
    with pytest.raises(UserError, match=message):
        build_head(kind, num_classes=classes, ignore_index=void)


@pytest.mark.parametrize("kind", SEMANTIC)
@pytest.mark.parametrize(("classes", "void"), [(255, 255), (5, 5), (5, -1), (300, 65535)])
def test_a_semantic_head_takes_any_void_that_is_no_class(kind: str, classes: int, void: int) -> None:
    assert build_head(kind, num_classes=classes, ignore_index=void).ignore_index == void


def panoptic_head(things: int, stuff: int, **options: object) -> object:
    config = tiny_detectors.head_config(num_things_classes=things, num_stuff_classes=stuff, **options)
    return tiny_detectors.MODELS.build(config)


def test_a_panoptic_head_refuses_a_class_as_void() -> None:
    with pytest.raises(UserError, match=r"MaskFormerPanopticHead: ignore_index=4 is one of the 5 classes"):
        panoptic_head(3, 2, ignore_index=4)
    with pytest.raises(UserError, match=r"ignore_index=255 is one of the 256 classes"):
        panoptic_head(255, 1)
    with pytest.raises(UserError, match=r"ignore_index=255 is one of the 365 classes"):
        panoptic_head(365, 0, test_cfg=dict(semantic_on=True))


def test_instances_alone_have_no_void_until_a_semantic_map_is_used() -> None:
    head = panoptic_head(365, 0)
    instances = tiny_detectors.samples([(64, 64)], truth="instance")
    assert segment_targets(instances, 365, 0, head.ignore_index).counts == [3]
    semantic = tiny_detectors.samples([(64, 64)], truth="semantic")
    with pytest.raises(UserError, match=r"ignore_index=255 is one of the 365 classes"):
        segment_targets(semantic, 365, 0, head.ignore_index)


@pytest.mark.parametrize("classes", [(1000, 0), (600, 400)])
def test_a_panoptic_head_refuses_as_many_classes_as_mmdets_code_has_no_room_for(classes: tuple[int, int]) -> None:
    with pytest.raises(
        UserError, match=r"has 1000 classes, but panoptic output .* room for 999: set .*panoptic_on=False"
    ):
        panoptic_head(*classes, ignore_index=65535)
    panoptic_head(*classes, ignore_index=65535, test_cfg=dict(panoptic_on=False, instance_on=True))
    panoptic_head(classes[0] - 1, classes[1], ignore_index=65535)


@pytest.mark.parametrize(("classes", "void"), [(255, 255), (847, 65535)])
@pytest.mark.parametrize("things", [None, 100])
def test_a_converted_model_has_a_void_that_is_no_class(classes: int, void: int, things: int | None) -> None:
    head = HeadSizes("mask", classes, 100, (256, 512, 1024, 2048), 256, 256, None, (6, 2048), True, False)
    model = make_config(head, dict(type="ResNet"), ReleaseSettings(), things)["model"]
    preprocessor = model["data_preprocessor"]
    assert model["decode_head" if things is None else "panoptic_head"]["ignore_index"] == void
    assert preprocessor["seg_pad_val" if things is None else "seg_pad_value"] == void
