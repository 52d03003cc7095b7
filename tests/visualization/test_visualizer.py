"""Pictures of data samples reach MMEngine's backends, and show the truth where it is known."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.structures import DetDataSample
from mmengine.registry import VISBACKENDS, VISUALIZERS
from mmengine.structures import InstanceData, PixelData
from mmengine.visualization import BaseVisBackend
from mmseg.engine.hooks import SegVisualizationHook
from mmseg.structures import SegDataSample
from PIL import ImageDraw
from segment_maps import decoded, instances

from mmmaskformer.errors import UserError
from mmmaskformer.segments import ImageSegmentation
from mmmaskformer.visualization import SegmentationVisualizer, draw_segmentation

CLASSES = ("square", "left", "right")
PALETTE = [(220, 20, 60), (0, 90, 200), (240, 200, 40)]
IMAGE = np.zeros((20, 30, 3), np.uint8)
CODE = np.where(np.arange(600).reshape(20, 30) % 30 < 9, 1000, 2)
FOUND = ImageSegmentation(CODE % 1000, decoded(CODE, 3), instances([CODE == 1000] * 2, (0.4, 0.9), labels=(0, 0)))


@VISBACKENDS.register_module()
class RecordingBackend(BaseVisBackend):
    """Remembers what a server of experiments would get."""

    def __init__(self, save_dir: str | None = None) -> None:
        self.images: dict[tuple[str, int], np.ndarray] = {}

    def _init_env(self) -> None:
        pass

    @property
    def experiment(self) -> Any:
        return self

    def add_image(self, name: str, image: np.ndarray, step: int = 0, **kwargs: Any) -> None:
        self.images[name, step] = image


def visualizer(tmp_path: Path, **options: Any) -> SegmentationVisualizer:
    backends = [dict(type="LocalVisBackend"), dict(type=RecordingBackend)]
    config = dict(type="mmmaskformer.SegmentationVisualizer", name=str(tmp_path), vis_backends=backends)
    built = VISUALIZERS.build({**config, "save_dir": str(tmp_path), **options})
    built.dataset_meta = dict(classes=CLASSES, palette=PALETTE)
    return built


def recorded(built: SegmentationVisualizer) -> dict[tuple[str, int], np.ndarray]:
    return built._vis_backends["RecordingBackend"].images


def sample(kind: type, path: Path) -> Any:
    cv2.imwrite(str(path / "a.png"), IMAGE)
    meta = dict(img_path=str(path / "a.png"))
    if kind is SegDataSample:
        labels = PixelData(data=torch.from_numpy(CODE % 1000)[None])
        return SegDataSample(pred_sem_seg=labels, gt_sem_seg=labels, metainfo=meta)
    found = FOUND.instances
    values = dict(labels=found.labels, scores=found.scores, bboxes=found.boxes, masks=found.masks)
    predicted = InstanceData(**{key: torch.from_numpy(value) for key, value in values.items()})
    return DetDataSample(
        pred_panoptic_seg=PixelData(sem_seg=torch.from_numpy(CODE)[None]), pred_instances=predicted, metainfo=meta
    )


def test_each_kind_of_result_has_its_picture() -> None:
    overlays = dict(draw_segmentation(IMAGE, FOUND, CLASSES, PALETTE))
    panels = dict(draw_segmentation(IMAGE, FOUND, CLASSES, PALETTE, truth=FOUND))
    assert list(overlays) == list(panels) == ["panoptic", "instance", "semantic"]
    assert all(panels[kind].shape[1] > overlays[kind].shape[1] for kind in panels)
    assert list(draw_segmentation(IMAGE, ImageSegmentation(), CLASSES, PALETTE)) == []


@pytest.mark.parametrize("truth", [None, FOUND], ids=["overlay", "panels"])
def test_a_legend_says_where_no_instance_passes_the_threshold(
    truth: ImageSegmentation | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    written = ImageDraw.ImageDraw.text

    def text(pen: ImageDraw.ImageDraw, place: tuple, words: str, **options: Any) -> None:
        texts.append(words)
        written(pen, place, words, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    found = ImageSegmentation(instances=FOUND.instances)
    list(draw_segmentation(IMAGE, found, CLASSES, PALETTE, truth, min_score=0.95))
    assert "no instance with a score of 0.95 or more (the best: square 0.90)" in texts
    texts.clear()
    list(draw_segmentation(IMAGE, found, CLASSES, PALETTE, truth, min_score=0.5))
    assert not any("no instance" in text for text in texts)


def test_a_visualization_hook_of_mmseg_draws_image_truth_and_prediction(tmp_path: Path) -> None:
    built = visualizer(tmp_path)
    hook = SegVisualizationHook(draw=True, interval=1)
    hook._visualizer = built
    hook.after_val_iter(type("Runner", (), dict(iter=7)), 0, {}, [sample(SegDataSample, tmp_path)])
    ((key, picture),) = recorded(built).items()
    assert key == ("val_a.png", 7) and picture.shape[1] > 3 * 640
    assert (tmp_path / "vis_data" / "vis_image" / "val_a.png_7.png").is_file()


def test_a_visualization_hook_of_mmdet_draws_every_kind_of_result(tmp_path: Path) -> None:
    built = visualizer(tmp_path)
    hook = DetVisualizationHook(draw=True)
    hook._visualizer = built
    hook.after_test_iter(None, 0, {}, [sample(DetDataSample, tmp_path)] * 2)
    assert set(recorded(built)) == {(f"test_img_{kind}", step) for kind in ("panoptic", "instances") for step in (1, 2)}


def test_a_file_that_is_asked_for_stands_in_place_of_the_local_backends(tmp_path: Path) -> None:
    built = visualizer(tmp_path)
    built.add_datasample("a", IMAGE, sample(DetDataSample, tmp_path), out_file=tmp_path / "out" / "b.jpg")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"b_panoptic.png", "b_instances.png"}
    assert set(recorded(built)) == {("a_panoptic", 0), ("a_instances", 0)}
    assert not (tmp_path / "vis_data" / "vis_image").exists()


def test_a_visualizer_without_classes_says_so(tmp_path: Path) -> None:
    built = visualizer(tmp_path)
    built.dataset_meta = {}
    with pytest.raises(UserError, match="the visualizer knows no classes"):
        built.add_datasample("a", IMAGE, sample(SegDataSample, tmp_path))
