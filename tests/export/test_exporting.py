"""What a file says about itself."""

import pytest

from mmmaskformer.export.exporting import resize_rule

LOAD, PACK = dict(type="LoadImageFromFile"), dict(type="PackSegInputs")


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        (dict(type="ResizeShortestEdge", scale=288, max_size=576), dict(short_side=288, long_side=576)),
        (dict(type="mmdet.Resize", scale=(1333, 800), keep_ratio=True), dict(short_side=800, long_side=1333)),
        (dict(type="Resize", scale=(64, 32)), dict(steps=[dict(type="Resize", scale=[64, 32])])),
    ],
)
def test_the_resize_rule_is_that_of_the_test_pipeline(step: dict, rule: dict) -> None:
    assert resize_rule([LOAD, step, PACK]) == rule


def test_a_pipeline_that_leaves_images_alone_has_no_resize_rule() -> None:
    assert resize_rule([LOAD, PACK]) is None
