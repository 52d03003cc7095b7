"""Label maps on disk hold the data set's own numbers, in as many bits as they need."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmmaskformer.engine import LabelMapWriterHook, write_label_map


def write(out: Path, labels: torch.Tensor, image: str, classes: int, **dataset: object) -> None:
    """Runs the hook over one predicted image."""
    dataset = {"metainfo": {"classes": [str(i) for i in range(classes)]}, "data_prefix": {}, **dataset}
    hook = LabelMapWriterHook(str(out))
    hook.before_test(SimpleNamespace(test_dataloader=SimpleNamespace(dataset=SimpleNamespace(**dataset))))
    sample = SegDataSample(metainfo={"img_path": image}, pred_sem_seg=PixelData(data=labels[None]))
    hook.after_test_iter(None, 0, None, [sample])


@pytest.mark.parametrize("classes, dtype", [(150, np.uint8), (256, np.uint8), (847, np.uint16)])
def test_every_label_of_the_data_set_survives(tmp_path: Path, classes: int, dtype: type) -> None:
    labels = torch.arange(classes).reshape(1, -1)
    write(tmp_path, labels, "data/a.jpg", classes)
    read = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert read.dtype == dtype
    assert (read == labels.numpy()).all()


def test_a_data_set_without_its_zero_label_gets_its_numbers_back(tmp_path: Path) -> None:
    write(tmp_path, torch.arange(150)[None], "a.jpg", 150, reduce_zero_label=True)
    assert cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED).tolist() == [list(range(1, 151))]


def test_folders_below_the_image_folder_are_kept(tmp_path: Path) -> None:
    write(tmp_path, torch.zeros(2, 2), "data/img/bonn/a.jpg", 3, data_prefix={"img_path": "data/img"})
    write(tmp_path, torch.zeros(2, 2), "elsewhere/b.jpg", 3, data_prefix={"img_path": "data/img"})
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png")) == ["b.png", "bonn/a.png"]


def test_a_detectors_label_maps_are_written_below_mmdets_image_folder(tmp_path: Path) -> None:
    dataset = SimpleNamespace(metainfo={"classes": ["a", "b"]}, data_prefix={"img": "data/val", "seg": "data/seg"})
    hook = LabelMapWriterHook(str(tmp_path))
    hook.before_test(SimpleNamespace(test_dataloader=SimpleNamespace(dataset=dataset)))
    sample = DetDataSample(metainfo={"img_path": "data/val/x/a.jpg"})
    sample.pred_sem_seg = PixelData(sem_seg=torch.tensor([[[1, 0]]]))
    hook.after_test_iter(None, 0, None, [sample])
    assert cv2.imread(str(tmp_path / "x" / "a.png"), cv2.IMREAD_UNCHANGED).tolist() == [[1, 0]]


def test_other_types_of_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="int64"):
        write_label_map(np.zeros((2, 2), np.int64), tmp_path / "a.png")
