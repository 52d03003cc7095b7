"""Label maps on disk hold the data set's own numbers, in as many bits as they need."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from mmengine.structures import PixelData
from mmseg.datasets import BaseSegDataset, CityscapesDataset, LoveDADataset
from mmseg.structures import SegDataSample

from mmmaskformer.engine import LabelMapWriterHook, write_label_map


class Images(BaseSegDataset):
    """Images that are only named, as many classes as asked for."""

    def __init__(self, *images: str, classes: int = 3, folder: str = "", **arguments: object) -> None:
        self.images = images
        metainfo = {"classes": [str(i) for i in range(classes)]}
        super().__init__(metainfo=metainfo, data_prefix=dict(img_path=folder), **arguments)

    def load_data_list(self) -> list[dict]:
        return [dict(img_path=image) for image in self.images]


def write(out: Path, dataset: BaseDataset, labels: torch.Tensor) -> None:
    """Runs the hook over a data set of whose every image the model has predicted these labels."""
    hook = LabelMapWriterHook(str(out))
    hook.before_test(SimpleNamespace(test_dataloader=SimpleNamespace(dataset=dataset)))
    for index in range(len(dataset)):
        info = dict(img_path=dataset.get_data_info(index)["img_path"])
        hook.after_test_iter(None, 0, None, [SegDataSample(metainfo=info, pred_sem_seg=PixelData(data=labels[None]))])


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("classes, dtype", [(150, np.uint8), (256, np.uint8), (847, np.uint16)])
def test_every_label_of_the_data_set_survives(tmp_path: Path, classes: int, dtype: type) -> None:
    labels = torch.arange(classes).reshape(1, -1)
    write(tmp_path, Images("data/a.jpg", classes=classes), labels)
    found = read(tmp_path / "a.png")
    assert found.dtype == dtype
    assert (found == labels.numpy()).all()


def test_a_data_set_without_its_zero_label_gets_its_numbers_back_and_void_is_zero(tmp_path: Path) -> None:
    dataset = Images("a.jpg", classes=150, reduce_zero_label=True)
    labels = torch.tensor([[*range(150), 255, -1]])
    write(tmp_path, dataset, labels)
    write(tmp_path / "repeated", RepeatDataset(dataset, 2), labels)
    for path in (tmp_path / "a.png", tmp_path / "repeated" / "a.png"):
        assert read(path).tolist() == [[*range(1, 151), 0, 0]]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (CityscapesDataset, [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33, 0]),
        (LoveDADataset, [0, 1, 2, 3, 4, 5, 6, 255]),
    ],
)
def test_servers_get_the_numbers_that_they_want(kind: type, expected: list[int], tmp_path: Path) -> None:
    class Derived(kind):
        def load_data_list(self) -> list[dict]:
            return [dict(img_path="a.jpg")]

    write(tmp_path, Derived(), torch.tensor([[*range(len(expected) - 1), 255]]))
    assert read(tmp_path / "a.png").tolist() == [expected]
    classes = [kind.METAINFO["classes"][index] for index in (3, 0)]
    write(tmp_path / "subset", Derived(metainfo=dict(classes=classes)), torch.tensor([[0, 1]]))
    assert read(tmp_path / "subset" / "a.png").tolist() == [[expected[3], expected[0]]]


def test_each_image_gets_the_numbers_of_its_own_data_set(tmp_path: Path) -> None:
    parts = [Images("a.jpg", reduce_zero_label=True), Images("b.jpg")]
    dataset = ConcatDataset(parts, ignore_keys="reduce_zero_label")
    write(tmp_path, dataset, torch.arange(3)[None])
    assert [read(tmp_path / name).tolist() for name in ("a.png", "b.png")] == [[[1, 2, 3]], [[0, 1, 2]]]


def test_images_of_several_data_sets_overwrite_no_other(tmp_path: Path) -> None:
    parts = [Images(f"data/{town}/val/0.jpg", folder=f"data/{town}/val") for town in ("bonn", "ulm")]
    write(tmp_path, ConcatDataset(parts), torch.zeros(2, 2, dtype=torch.long))
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png")) == ["bonn/0.png", "ulm/0.png"]


def test_folders_below_the_image_folder_are_kept(tmp_path: Path) -> None:
    write(
        tmp_path,
        Images("data/img/bonn/a.jpg", "elsewhere/b.jpg", folder="data/img"),
        torch.zeros(2, 2, dtype=torch.long),
    )
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png")) == ["b.png", "bonn/a.png"]


def test_a_detectors_label_maps_are_written_below_mmdets_image_folder(tmp_path: Path) -> None:
    dataset = Images("data/val/x/a.jpg", classes=2)
    dataset.data_prefix = {"img": "data/val", "seg": "data/seg"}
    hook = LabelMapWriterHook(str(tmp_path))
    hook.before_test(SimpleNamespace(test_dataloader=SimpleNamespace(dataset=dataset)))
    sample = DetDataSample(metainfo={"img_path": "data/val/x/a.jpg"})
    sample.pred_sem_seg = PixelData(sem_seg=torch.tensor([[[1, 0]]]))
    hook.after_test_iter(None, 0, None, [sample])
    assert read(tmp_path / "x" / "a.png").tolist() == [[1, 0]]


def test_other_types_of_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="int64"):
        write_label_map(np.zeros((2, 2), np.int64), tmp_path / "a.png")
