"""An image and its label map belong together, whichever data set, transform and model they go through."""

import logging
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmdet.datasets.transforms import LoadAnnotations as LoadDetectionAnnotations
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmmaskformer import pairs
from mmmaskformer.errors import UserError

pytestmark = pytest.mark.usefixtures("safeguarded")
IGNORE = "color_type='color_ignore_orientation'"
UPRIGHT, ORIENTATIONS = 1, range(1, 9)


def write(folder: Path, size: tuple[int, int], label_size: tuple[int, ...], orientation: int = UPRIGHT, **save) -> dict:
    """Writes a photo and a label map of these sizes; returns what a data set says of them."""
    image, labels = folder / "photo.jpg", folder / "labels.png"
    exif = Image.Exif()
    if orientation != UPRIGHT:
        exif[pairs.ORIENTATION] = orientation
    Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(image, exif=exif)
    Image.fromarray(np.zeros(label_size, np.uint8)).save(labels, **save)
    return dict(img_path=str(image), seg_map_path=str(labels), reduce_zero_label=False, seg_fields=[])


def load(sample: dict, *steps: BaseTransform) -> dict:
    sample = dict(sample, seg_fields=[])
    for step in steps:
        sample = step(sample)
    return sample


class LoadSquare(BaseTransform):
    """A loader that nothing here knows."""

    def transform(self, results: dict) -> dict:
        return {**results, "gt_seg_map": np.zeros((28, 28), np.uint8)}


LOADERS = {
    "mmseg": LoadAnnotations(),
    "mmdet": LoadDetectionAnnotations(with_bbox=False, with_label=False, with_seg=True),
    "unknown": LoadSquare(),
}


@pytest.mark.parametrize("loader", LOADERS)
def test_a_label_map_of_another_size_is_refused_whatever_loads_it(tmp_path: Path, loader: str) -> None:
    sample = write(tmp_path, (64, 48), (28, 28))
    with pytest.raises(UserError, match=r"labels\.png is 28x28 but its image .*photo\.jpg is 64x48: .*belong together"):
        load(sample, LoadImageFromFile(), LOADERS[loader])


@pytest.mark.parametrize("loader", ["mmseg", "mmdet"])
@pytest.mark.parametrize("size", [(64, 48), (1, 48), (64, 1), (1, 1)])
def test_label_maps_of_the_images_size_load_also_after_the_image_was_resized(
    tmp_path: Path, loader: str, size: tuple[int, int]
) -> None:
    sample = load(write(tmp_path, size, size), LoadImageFromFile())
    sample.update(img=mmcv.imresize(sample["img"], (30, 20)), img_shape=(20, 30))
    assert load(sample, LOADERS[loader])["gt_seg_map"].size == size[0] * size[1]


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_a_label_map_of_several_channels_is_refused(tmp_path: Path, channels: int) -> None:
    sample = write(tmp_path, (64, 48), (64, 48, channels))
    message = rf"labels\.png has {channels} channels \(shape \(64, 48, {channels}\)\).*one class index per pixel"
    with pytest.raises(UserError, match=message):
        load(sample, LoadImageFromFile(), LoadAnnotations())
    with pytest.raises(UserError, match=message):
        load(sample, LoadAnnotations())


def test_palette_pngs_hold_indices_unless_opencv_turns_them_into_colors(tmp_path: Path) -> None:
    sample = write(tmp_path, (64, 48), (64, 48))
    stored = Image.new("P", (48, 64), 2)
    stored.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    stored.save(sample["seg_map_path"])
    assert (load(sample, LoadImageFromFile(), LoadAnnotations())["gt_seg_map"] == 2).all()
    with pytest.raises(UserError, match=r"3 channels .* read with imdecode_backend='pillow'"):
        load(sample, LoadImageFromFile(), LoadAnnotations(imdecode_backend="cv2"))


def test_volumes_are_no_maps_of_several_channels() -> None:
    pairs.check_loaded_label_map("a.npy", (9, 8, 3), "b.npy", (9, 8, 3))
    with pytest.raises(UserError, match="3 channels"):
        pairs.check_loaded_label_map("a.png", (9, 8, 3), "b.png", (9, 8))


@pytest.mark.parametrize("backend", ["cv2", "pillow"])
def test_a_map_of_a_photo_that_exif_turns_is_refused_with_the_reason(tmp_path: Path, backend: str) -> None:
    sample = write(tmp_path, (48, 64), (48, 64), orientation=6)
    with pytest.raises(UserError, match=rf"is 48x64 but its image .* 64x48: .* orientation 6 and is turned .*{IGNORE}"):
        load(sample, LoadImageFromFile(imdecode_backend=backend), LoadAnnotations())
    load(sample, LoadImageFromFile(imdecode_backend=backend, color_type="color_ignore_orientation"), LoadAnnotations())


def test_a_turned_map_of_a_photo_that_is_not_turned_is_refused_with_the_reason(tmp_path: Path) -> None:
    sample = write(tmp_path, (48, 64), (64, 48), orientation=8)
    load(sample, LoadImageFromFile(), LoadAnnotations())
    with pytest.raises(UserError, match=r"orientation 8 and is not turned when it is loaded.*color_type='color'"):
        load(sample, LoadImageFromFile(color_type="color_ignore_orientation"), LoadAnnotations())


def warnings_of(caplog: pytest.LogCaptureFixture, sample: dict, *steps: BaseTransform) -> list[str]:
    """The warnings of loading a sample twice in a new run."""
    pairs._warned[0] = 0
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            load(sample, *steps)
    return [record.getMessage() for record in caplog.records if "EXIF" in record.getMessage()]


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """pytest's, which sees what goes to MMEngine's logger."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
    pairs._warned[0] = 0


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
def test_one_warning_names_a_photo_whose_turning_its_size_does_not_show(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    for orientation in ORIENTATIONS:
        for size in ((64, 48), (64, 64)):
            turned = size[::-1] if orientation in pairs.SWAPS_SIDES else size
            sample = write(tmp_path, size, turned, orientation)
            photo = tmp_path / f"photo{suffix}"
            with Image.open(sample["img_path"]) as image:
                image.save(photo, exif=image.getexif())
            sample["img_path"] = str(photo)
            silent = orientation == UPRIGHT or (orientation >= 5 and size[0] != size[1])
            found = warnings_of(caplog, sample, LoadImageFromFile(), LoadAnnotations())
            assert len(found) == (0 if silent else 1), (orientation, size, found)
            assert silent or f"photo{suffix} has the EXIF orientation {orientation}" in found[0]


def test_photos_that_are_not_turned_or_have_no_labels_are_not_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sample = write(tmp_path, (64, 64), (64, 64), orientation=3)
    unturned = LoadImageFromFile(color_type="color_ignore_orientation")
    assert not warnings_of(caplog, sample, unturned, LoadAnnotations())
    assert not warnings_of(caplog, dict(img_path=sample["img_path"]), LoadImageFromFile())


def test_instances_of_a_turned_photo_are_warned_of_unless_their_file_has_the_turned_size(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photo = write(tmp_path, (48, 64), (1, 1), orientation=6)["img_path"]
    sample = dict(img_path=photo, instances=[dict(bbox=[0, 0, 9, 9])], height=64, width=48)
    assert not warnings_of(caplog, sample, LoadImageFromFile())
    assert warnings_of(caplog, {**sample, "height": 48, "width": 64}, LoadImageFromFile())


def test_workers_that_are_forked_one_after_the_other_warn_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = logging.FileHandler(tmp_path / "log.txt")  # what the workers write, caplog does not see
    MMLogger.get_current_instance().addHandler(file)
    write(tmp_path, (64, 64), (64, 64), orientation=3)
    (tmp_path / "labels.png").rename(tmp_path / "photo.png")
    init_default_scope("mmseg")
    pipeline = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]
    dataset = BaseSegDataset(data_root=str(tmp_path), pipeline=pipeline)
    pairs._warned[0] = 0
    for _ in range(2):
        loader = torch.utils.data.DataLoader(dataset, num_workers=1, collate_fn=list, multiprocessing_context="fork")
        assert len(list(loader)) == 1
    MMLogger.get_current_instance().removeHandler(file)
    assert (tmp_path / "log.txt").read_text().count("photo.jpg has the EXIF orientation 3") == 1


def test_broken_exif_data_is_no_orientation(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    sample = write(tmp_path, (64, 48), (64, 48), orientation=6)
    content = Path(sample["img_path"]).read_bytes()
    place = content.index(b"Exif\0\0")
    path.write_bytes(content[: place + 6] + b"\xff" * 20 + content[place + 26 :])
    assert pairs.exif_orientation(str(path)) == 1
    assert pairs.exif_orientation("s3://bucket/photo.jpg") == 1
