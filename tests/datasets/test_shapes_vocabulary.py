"""The 125 classes of the long-tailed Shapes: how often each is drawn, and that a thing looks as its name says."""

import colorsys
import hashlib

import numpy as np
import pytest
from mmengine.registry import init_default_scope

from mmmaskformer.datasets import LongTailedShapesDataset
from mmmaskformer.datasets.shapes import STUFF, VOCABULARIES, ShapesOptions, draw_scene
from mmmaskformer.datasets.shapes.outlines import surface
from mmmaskformer.datasets.shapes.vocabulary import HUES
from mmmaskformer.errors import UserError

LONG = VOCABULARIES["long-tailed"]
LOAD = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]


def test_there_are_125_classes_things_first_each_with_a_color_of_its_own():
    assert len(LONG.things) == 120 and LONG.classes == LONG.things + STUFF
    assert len({tuple(color) for color in LONG.palette}) == len(set(LONG.classes)) == 125
    assert {"red striped star", "violet checkered cross"} <= set(LONG.things)


def test_the_chance_of_a_thing_is_one_over_its_rank_and_it_is_drawn_as_often():
    chances = LONG.chances()
    ordered = np.sort(chances)[::-1]
    np.testing.assert_allclose(ordered / ordered[0], 1 / np.arange(1, 121))
    rng, draws = np.random.default_rng(0), 40_000
    counts = np.bincount([LONG.pick(rng) for _ in range(draws)], minlength=120)
    # Five standard deviations of a binomial.
    assert (np.abs(counts - draws * chances) < 5 * np.sqrt(draws * chances)).all()


def test_no_outline_hue_or_pattern_is_rare_as_a_whole():
    chances = dict(zip(LONG.things, LONG.chances()))
    for words in zip(*(name.split() for name in LONG.things)):
        kinds = set(words)
        share = [sum(chance for name, chance in chances.items() if kind in name.split()) for kind in kinds]
        assert min(share) > 0.25 / len(kinds)


@pytest.mark.parametrize("hue", HUES)
def test_a_things_color_is_nearest_to_the_hue_of_its_class(hue):
    v, u = np.meshgrid(*[np.linspace(-1, 1, 40)] * 2)
    for seed in range(5):
        pixels = surface(np.random.default_rng(seed), u, v, HUES[hue], "plain").reshape(-1, 3) / 255
        turn = colorsys.rgb_to_hsv(*np.median(pixels, axis=0))[0]
        distances = {name: min(abs(turn - center), 1 - abs(turn - center)) for name, center in HUES.items()}
        assert min(distances, key=distances.get) == hue


def test_a_pattern_lays_one_gray_over_half_of_the_surface():
    v, u = np.meshgrid(*[np.linspace(-1, 1, 200)] * 2)
    for pattern in ("striped", "checkered"):
        pixels = surface(np.random.default_rng(1), u, v, HUES["blue"], pattern).reshape(-1, 3)
        saturation = 1 - pixels.min(1) / pixels.max(1)
        assert 0.3 < (saturation < 0.8 * saturation.max()).mean() < 0.7


def test_the_first_picture_is_the_one_that_every_machine_draws():
    scene = draw_scene(np.random.default_rng([0, 0, 0]), 128, 128, LONG)
    digests = [hashlib.sha256(part.tobytes()).hexdigest()[:16] for part in (scene.image, scene.semantic)]
    assert digests == ["b549fa78bda17187", "ce3c34aa497a2bba"]


def test_its_data_set_draws_it_and_loads_labels_up_to_124(tmp_path):
    init_default_scope("mmseg")
    dataset = LongTailedShapesDataset(
        generate=dict(train=1, val=3, height=64, width=64),
        data_root=str(tmp_path / "shapes"),
        data_prefix=dict(img_path="images/val", seg_map_path="annotations/val"),
        pipeline=LOAD,
    )
    labels = set().union(*(sample["data_samples"].gt_sem_seg.data.unique().tolist() for sample in dataset))
    assert dataset.metainfo["classes"] == LONG.classes
    assert any(label < 120 for label in labels) and labels & set(range(120, 125)) and labels <= {*range(125), 255}


def test_a_vocabulary_that_does_not_exist_is_named():
    message = r"vocabulary must be one of \['plain', 'long-tailed'\], got 'short'"
    with pytest.raises(UserError, match=message):
        ShapesOptions(vocabulary="short")
