"""Ids survive the PNG; what is no panoptic PNG is named."""

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmmaskformer.coco.panoptic_png import (
    encode_panoptic_png,
    id_to_rgb,
    read_panoptic_png,
    write_panoptic_png,
)
from mmmaskformer.errors import UserError


def test_red_is_the_lowest_byte() -> None:
    rgb = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [255, 255, 255]], np.uint8)
    ids = [1, 256, 65536, 256**3 - 1]
    assert id_to_rgb(np.array(ids)).tolist() == rgb.tolist()
    for extra in ((), (np.full((4, 1), 9, np.uint8),)):  # opacity does not count
        file = io.BytesIO()
        Image.fromarray(np.concatenate([rgb, *extra], 1)[None]).save(file, "PNG")
        assert read_panoptic_png(file.getvalue()).tolist() == [ids]


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64])
def test_a_written_map_reads_back_the_same_by_path_and_by_bytes(dtype: type, tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 256**3, (5, 7)).astype(dtype)
    path = tmp_path / "new" / "map.png"
    write_panoptic_png(ids, path)
    read = read_panoptic_png(path)
    assert read.dtype == np.int32 and np.array_equal(read, ids)
    assert np.array_equal(read_panoptic_png(encode_panoptic_png(ids)), ids)
    # Pillow is what panopticapi reads with.
    assert np.array_equal(np.asarray(Image.open(path)), id_to_rgb(ids))
    assert [file.name for file in path.parent.iterdir()] == ["map.png"]


def test_the_json_of_the_coco_samples_lists_the_ids_of_their_pngs(shared_data: Path) -> None:
    folder = shared_data / "coco_panoptic_sample"
    for annotation in json.loads((folder / "panoptic.json").read_text())["annotations"]:
        ids, areas = np.unique(read_panoptic_png(folder / "panoptic" / annotation["file_name"]), return_counts=True)
        found = {int(i): int(a) for i, a in zip(ids, areas) if i}
        assert found == {segment["id"]: segment["area"] for segment in annotation["segments_info"]}


def test_a_semantic_label_map_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "labels.png"
    cv2.imwrite(str(path), np.ones((4, 4), np.uint8))
    with pytest.raises(UserError, match=r"labels\.png has 1 channel.*semantic label map"):
        read_panoptic_png(path)
    cv2.imwrite(str(path), np.ones((4, 4, 3), np.uint16))
    with pytest.raises(UserError, match=r"3 channel\(s\) of uint16"):
        read_panoptic_png(path)


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_a_broken_file_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.png cannot be decoded"):
        read_panoptic_png(path)
    with pytest.raises(UserError, match="s3://map cannot be decoded"):
        read_panoptic_png(content, name="s3://map")


@pytest.mark.parametrize("wrong", [-1, 256**3])
def test_an_id_beyond_24_bits_is_refused(wrong: int) -> None:
    with pytest.raises(ValueError, match=r"0\.\.16777215"):
        encode_panoptic_png(np.array([[0, wrong]]))


def test_files_of_segments_are_as_small_as_pillows(shared_data: Path) -> None:
    for path in (shared_data / "coco_panoptic_sample" / "panoptic").iterdir():
        size = io.BytesIO()
        Image.open(path).save(size, "PNG")
        assert len(encode_panoptic_png(read_panoptic_png(path))) < 1.6 * len(size.getvalue())


def test_arrays_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(H, W\), got shape \(1, 2, 2\)"):
        encode_panoptic_png(np.zeros((1, 2, 2), np.int32))
