"""Shapes: the same on every run, with semantic and panoptic truth that agree."""

import hashlib
import json

import numpy as np
import pytest
from launching import forkserver
from mmengine.registry import init_default_scope
from PIL import Image

from mmmaskformer.datasets import ShapesDataset, ShapesPanopticDataset
from mmmaskformer.datasets.shapes import CLASSES, STUFF, THINGS, ShapesOptions, draw_scene, generate_shapes
from mmmaskformer.datasets.shapes.vocabulary import PLAIN
from mmmaskformer.errors import UserError

SMALL = ShapesOptions(train=6, val=3, height=64, width=80)
LOAD = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "shapes"
    generate_shapes(folder, SMALL, show_progress=False)
    return folder


def pixels(folder):
    return {
        str(path.relative_to(folder)): np.array(Image.open(path)).tobytes() for path in sorted(folder.rglob("*.png"))
    }


def test_the_same_seed_gives_the_same_pixels_and_another_gives_others(folder, tmp_path):
    generate_shapes(tmp_path / "again", SMALL, show_progress=False)
    assert pixels(folder) == pixels(tmp_path / "again")
    generate_shapes(tmp_path / "other", ShapesOptions(6, 3, 64, 80, seed=1), show_progress=False)
    assert not set(pixels(folder).values()) & set(pixels(tmp_path / "other").values())


def test_the_first_picture_is_the_one_that_every_machine_draws():
    scene = draw_scene(np.random.default_rng([0, 0, 0]), 128, 128)
    parts = (scene.image, scene.semantic, scene.segments.astype("<i4"))
    digests = [hashlib.sha256(part.tobytes()).hexdigest()[:16] for part in parts]
    assert digests == ["2e949ef12362e04b", "3387e185e1448a28", "ccfd14f35f493810"]


def test_an_image_does_not_depend_on_how_many_there_are(folder, tmp_path):
    generate_shapes(tmp_path / "more", ShapesOptions(7, 3, 64, 80), show_progress=False)
    assert pixels(folder).items() <= pixels(tmp_path / "more").items()


def test_semantic_and_panoptic_truth_agree_in_every_pixel(folder):
    for split in ("train", "val"):
        panoptic = json.loads((folder / f"panoptic_{split}.json").read_text())
        names = {category["id"]: category["name"] for category in panoptic["categories"]}
        images = {image["id"]: image for image in panoptic["images"]}
        for annotation in panoptic["annotations"]:
            ids = np.array(Image.open(folder / "panoptic" / split / annotation["file_name"])).astype(int)
            ids = ids @ np.array([1, 256, 256 * 256])
            semantic = np.array(Image.open(folder / "annotations" / split / annotation["file_name"]))
            image = images[annotation["image_id"]]
            assert semantic.shape == ids.shape == (image["height"], image["width"])

            segments = {segment["id"]: segment for segment in annotation["segments_info"]}
            assert set(np.unique(ids)) == {0, *segments} or set(np.unique(ids)) == set(segments)
            np.testing.assert_array_equal(ids == 0, semantic == 255)
            stuff = [s["category_id"] for s in segments.values() if names[s["category_id"]] in STUFF]
            assert len(stuff) == len(set(stuff))
            for number, segment in segments.items():
                mask = ids == number
                assert set(semantic[mask]) == {CLASSES.index(names[segment["category_id"]])}
                y, x = np.nonzero(mask)
                assert segment["area"] == len(y)
                assert segment["bbox"] == [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]


def test_categories_list_things_before_stuff_with_the_palette_s_colors(folder):
    categories = json.loads((folder / "panoptic_val.json").read_text())["categories"]
    assert [c["name"] for c in categories] == [*THINGS, *STUFF]
    assert [c["isthing"] for c in categories] == [1] * 5 + [0] * 5
    assert [c["color"] for c in categories] == PLAIN.palette and len({tuple(color) for color in PLAIN.palette}) == 10


def test_pictures_hold_every_class_overlaps_and_no_flat_region():
    scenes = [draw_scene(np.random.default_rng([5, i]), 96, 96) for i in range(40)]
    seen = np.unique(np.concatenate([scene.semantic.ravel() for scene in scenes]))
    assert seen.tolist() == [*range(10), 255]
    for scene in scenes:
        assert len(scene.labels) >= 2 and (scene.semantic == 255).mean() < 0.2
        for k in range(len(THINGS), len(CLASSES)):
            region = scene.image[scene.semantic == k]
            assert len(region) < 50 or region.std() > 2


def test_mmseg_loads_it_with_stock_transforms(folder):
    init_default_scope("mmseg")
    dataset = ShapesDataset(
        data_root=str(folder),
        data_prefix=dict(img_path="images/val", seg_map_path="annotations/val"),
        pipeline=LOAD,
    )
    assert len(dataset) == 3 and dataset.metainfo["classes"] == CLASSES
    sample = dataset[2]
    assert tuple(sample["inputs"].shape) == (3, 64, 80)
    assert set(sample["data_samples"].gt_sem_seg.data.unique().tolist()) <= {*range(10), 255}


def test_the_panoptic_data_set_has_the_same_images_with_a_segment_for_each_thing(folder):
    init_default_scope("mmdet")
    dataset = ShapesPanopticDataset(
        data_root=str(folder),
        ann_file="panoptic_val.json",
        data_prefix=dict(img="images/val", seg="panoptic/val"),
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="mmmaskformer.LoadPanopticAnnotations"),
            dict(type="PackDetInputs"),
        ],
    )
    assert len(dataset) == 3 and dataset.metainfo["classes"] == THINGS + STUFF
    truth = json.loads((folder / "panoptic_val.json").read_text())["annotations"]
    for sample, entry in zip(dataset, truth):
        semantic = np.array(Image.open(folder / "annotations/val" / entry["file_name"]))
        np.testing.assert_array_equal(sample["data_samples"].gt_sem_seg.sem_seg[0], semantic)
        things = [segment["category_id"] - 1 for segment in entry["segments_info"] if segment["category_id"] <= 5]
        assert sample["data_samples"].gt_instances.labels.tolist() == things


def test_a_run_draws_what_is_missing_and_redraws_what_is_stale(tmp_path):
    root = tmp_path / "shapes"
    arguments = dict(data_root=str(root), data_prefix=dict(img_path="images/val", seg_map_path="annotations/val"))
    small = dict(train=1, val=2, height=32, width=32)
    assert len(ShapesDataset(generate=small, **arguments)) == 2
    (root / "images/val/000001.png").unlink()
    assert len(ShapesDataset(generate=small, **arguments)) == 1
    assert len(ShapesDataset(generate={**small, "val": 3}, **arguments)) == 3


def test_one_folder_serves_the_semantic_and_the_panoptic_data_set(tmp_path):
    small = dict(train=1, val=2, height=32, width=32)
    prefix = dict(img="images/val", seg="panoptic/val")
    panoptic = dict(generate=small, data_root=str(tmp_path / "shapes"), ann_file="panoptic_val.json")
    assert len(ShapesPanopticDataset(**panoptic, data_prefix=prefix)) == 2
    written = (tmp_path / "shapes/shapes.json").stat().st_mtime_ns
    prefix = dict(img_path="images/val", seg_map_path="annotations/val")
    assert len(ShapesDataset(generate=small, data_root=str(tmp_path / "shapes"), data_prefix=prefix)) == 2
    assert (tmp_path / "shapes/shapes.json").stat().st_mtime_ns == written


def test_a_folder_that_is_not_shapes_is_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(UserError, match=r"not empty and has no shapes\.json"):
        generate_shapes(tmp_path, SMALL, show_progress=False)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"precious"


def test_a_run_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    drawn = []

    def fail_at_the_third(*arguments):
        drawn.append(1)
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return draw_scene(*arguments)

    monkeypatch.setattr("mmmaskformer.datasets.shapes.generate.draw_scene", fail_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        generate_shapes(tmp_path / "shapes", SMALL, show_progress=False)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_two_processes_that_start_at_once_draw_it_once(tmp_path):
    arguments = (tmp_path / "shapes", SMALL, False)
    with forkserver().Pool(2) as pool:
        made = pool.starmap(generate_shapes, [arguments, arguments])
    assert sorted(made) == [False, True]


@pytest.mark.parametrize("options", [dict(train=0), dict(height=-1), dict(seed=1.5)])
def test_sizes_that_make_no_sense_are_named(options):
    (name, value), *_ = options.items()
    with pytest.raises(UserError, match=rf"Shapes: {name} must be an integer of at least .*, got {value}"):
        ShapesOptions(**options)


@pytest.mark.parametrize("kind", [ShapesDataset, ShapesPanopticDataset])
def test_unknown_options_in_a_config_are_named(tmp_path, kind):
    with pytest.raises(UserError, match=rf"{kind.__name__}: generate has no option \['color'\]; it has \['train'"):
        kind(generate=dict(color=1), data_root=str(tmp_path))


@pytest.mark.parametrize("kind", [ShapesDataset, ShapesPanopticDataset])
def test_a_missing_folder_is_answered_with_the_command_that_makes_it(tmp_path, kind):
    with pytest.raises(UserError, match=r"make it with: python tools/dataset_converters/shapes\.py"):
        kind(data_root=str(tmp_path / "no"), data_prefix=dict(img_path="images/val", img="images/val"))
