"""Test pipelines of stored configs: known steps with known arguments."""

from typing import Any

import pytest
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from mmmaskformer.errors import UserError
from mmmaskformer.foreign.pipelines import STEPS, checked_pipeline

LOAD, PACK = dict(type="LoadImageFromFile"), dict(type="PackSegInputs")


def test_a_sound_pipeline_stays_and_loading_of_annotations_goes() -> None:
    steps = [dict(type="LoadImageFromFile", backend_args=None), dict(type="LoadAnnotations", reduce_zero_label=True)]
    resize = [dict(type="Resize", scale=(2048, 512), keep_ratio=True), dict(type="mmseg.ResizeToMultiple")]
    assert checked_pipeline([*steps, *resize, PACK], "p", "mmseg") == [LOAD, *resize, PACK]
    local = dict(type="LoadImageFromFile", backend_args=dict(backend="local"), to_float32=True)
    assert checked_pipeline([local], "p", "mmdet") == [dict(type="LoadImageFromFile", to_float32=True)]


@pytest.mark.parametrize(
    "step",
    [
        dict(type="os.system", command="x"),
        dict(type="TestTimeAug", transforms=[]),
        dict(type="Albu", transforms=[]),
        dict(type="canary.LoadImageFromFile"),
        dict(type="os.Resize"),
        dict(type="LoadImageFromFile", backend_args=dict(backend="http")),
        dict(type="LoadImageFromFile", backend_args=dict(backend="petrel", path_mapping={"./": "s3://x"})),
        dict(type="LoadImageFromFile", file_client_args=dict(backend="disk")),
        dict(type="LoadImageFromFile", imdecode_backend="tifffile"),
        dict(type="Resize", scale=(10**6, 10**6)),
        dict(type="Resize", scale=(0, 5)),
        dict(type="Resize", scale=True),
        dict(type="Resize", scale_factor=1e9),
        dict(type="ResizeShortestEdge", scale=1.5, max_size=10),
        dict(type="Pad", size=(10**6, 8)),
        dict(type="Pad", pad_val=dict(img="x")),
        dict(type="Normalize", mean=[0] * 3, std=[0] * 3),
        dict(type="PackSegInputs", meta_keys="img_path"),
        dict(scale=3),
        "LoadImageFromFile",
        None,
    ],
    ids=str,
)
def test_any_other_step_or_argument_is_refused(step: Any) -> None:
    with pytest.raises(UserError, match=r"^p\[1\].{1,300}$"):
        checked_pipeline([LOAD, step, PACK], "p", "mmseg")


def test_a_pipeline_is_a_list_of_some_steps() -> None:
    for steps in ("x", {}, [LOAD] * 30, 3):
        with pytest.raises(UserError, match="^p is .*, must be a list of at most 20 steps"):
            checked_pipeline(steps, "p", "mmseg")


def test_every_known_argument_is_one_that_the_step_takes() -> None:
    init_default_scope("mmdet")
    examples = {
        "scale": (64, 32), "scale_factor": 0.5, "keep_ratio": True, "clip_object_border": True, "backend": "cv2",
        "interpolation": "bilinear", "to_float32": True, "color_type": "color", "imdecode_backend": "cv2",
        "ignore_empty": False, "max_size": 64, "size_divisor": 32, "pad_to_square": False,
        "pad_val": {"img": 0, "seg": 255}, "padding_mode": "constant", "mean": [0.0] * 3, "std": [1.0] * 3,
        "to_rgb": True, "meta_keys": ("img_path",), "size": (64, 64),
    }  # fmt: skip
    exclusive = {"Pad": ["size"], "Resize": ["scale_factor"], "FixScaleResize": ["scale_factor"]}
    for name, arguments in STEPS.items():
        chosen = {key: examples[key] for key in arguments if key not in exclusive.get(name, ())}
        scope = "mmseg." if name in ("ResizeShortestEdge", "ResizeToMultiple", "PackSegInputs") else ""
        (step,) = checked_pipeline([dict(type=scope + name, **chosen)], "p", "mmdet")
        assert len(Compose([step]).transforms) == 1
