"""The steps of a stored test pipeline: which there may be, with which arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mmmaskformer.errors import UserError

from . import values
from .types import transform_class

LONGEST_SIDE = 16_384  # pixels; beyond, one image takes gigabytes
MOST_STEPS = 20


def checked_pipeline(steps: Any, where: str, scope: str) -> list[dict[str, Any]]:
    """Return a test pipeline without the loading of annotations.

    Args:
        steps: the pipeline.
        where: of which config, for messages.
        scope: MMEngine's default scope of the config.

    Raises:
        UserError: a step is none of those that a test pipeline needs, or has other arguments.
    """
    if not isinstance(steps, list) or len(steps) > MOST_STEPS:
        values.refuse(steps, where, f"a list of at most {MOST_STEPS} steps")
    found = []
    for index, step in enumerate(steps):
        place = f"{where}[{index}]"
        name = values.name(values.mapping(step, place).get("type"), f"{place}.type")
        kind = name.rpartition(".")[2]
        if loads_truth(kind):
            continue
        if kind not in STEPS or transform_class(name, scope) is None:
            raise UserError(
                f"{place} is {values.shown(name)}, and the test pipeline of a stored config may have {', '.join(STEPS)}"
            )
        found.append({"type": name} | _checked_arguments(step, STEPS[kind], place))
    return found


def loads_truth(name: str) -> bool:
    """Whether a step of that name reads annotations, which no prediction needs."""
    return "Annotation" in name or name.endswith("LoadADE20KLabelMap")


def _checked_arguments(step: Mapping[str, Any], known: Mapping[str, Callable], place: str) -> dict[str, Any]:
    found = {}
    for key, value in step.items():
        if key == "type" or value is None:
            continue
        if key == "backend_args":
            values.one_of(dict(values.mapping(value, f"{place}.{key}")), f"{place}.{key}", [dict(backend="local")])
            continue
        if key not in known:
            values.refuse(key, f"{place}: an argument", f"one of {', '.join(known)}")
        found[key] = known[key](value, f"{place}.{key}")
    return found


def _sides(value: Any, where: str) -> Any:
    """One side, or two; -1 is for as long as the other makes it."""
    if isinstance(value, list | tuple):
        sides = [None if side == -1 else side for side in values.numbers(value, where, 2, -1, LONGEST_SIDE)]
        return tuple(-1 if side is None else values.whole(side, where, 1, LONGEST_SIDE) for side in sides)
    return values.whole(value, where, 1, LONGEST_SIDE)


def _factor(value: Any, where: str) -> Any:
    if isinstance(value, list | tuple):
        return tuple(values.numbers(value, where, 2, 0.01, 16))
    return values.number(value, where, 0.01, 16)


def _pixel(value: Any, where: str) -> Any:
    """Return what is padded with: a number, or one for image and label map each."""
    if isinstance(value, Mapping):
        return {
            values.one_of(key, f"{where}: a key", ("img", "seg", "masks")): _pixel(item, f"{where}.{key}")
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return tuple(values.numbers(value, where, 3, 0, 255))
    return values.number(value, where, 0, 255)


def _channels(value: Any, where: str, low: float, high: float) -> Any:
    return values.numbers(value, where, 3, low, high)


def _keys(value: Any, where: str) -> tuple[str, ...]:
    return tuple(values.names(value, where))


_divisor = partial(values.whole, low=1, high=4096)
_scale = dict(
    scale=_sides,
    scale_factor=_factor,
    keep_ratio=values.flag,
    clip_object_border=values.flag,
    backend=partial(values.one_of, known=("cv2", "pillow")),
    interpolation=partial(values.one_of, known=("nearest", "bilinear", "bicubic", "area", "lanczos")),
)
# Arguments of each step, with what checks them.
STEPS: dict[str, dict[str, Callable]] = {
    "LoadImageFromFile": dict(
        to_float32=values.flag,
        color_type=partial(values.one_of, known=("color", "color_ignore_orientation", "unchanged", "grayscale")),
        imdecode_backend=partial(values.one_of, known=("cv2", "pillow", "turbojpeg")),
        ignore_empty=values.flag,
    ),
    "Resize": _scale,
    "FixScaleResize": _scale,
    "ResizeShortestEdge": dict(scale=_sides, max_size=partial(values.whole, low=1, high=LONGEST_SIDE)),
    "ResizeToMultiple": dict(size_divisor=_divisor, interpolation=_scale["interpolation"]),
    "Pad": dict(
        size=_sides,
        size_divisor=_divisor,
        pad_to_square=values.flag,
        pad_val=_pixel,
        padding_mode=partial(values.one_of, known=("constant", "edge", "reflect", "symmetric")),
    ),
    "Normalize": dict(
        mean=partial(_channels, low=-1e4, high=1e4), std=partial(_channels, low=1e-3, high=1e4), to_rgb=values.flag
    ),
    "PackSegInputs": dict(meta_keys=_keys),
    "PackDetInputs": dict(meta_keys=_keys),
}
