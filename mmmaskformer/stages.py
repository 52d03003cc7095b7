"""What a head must know about the feature maps that it reads: their channels and strides.

Both are known before the first image where the backbone reports them, and the neck, if there is one. The segmentor for
mmseg and the detector for mmdet both fill them in from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from mmmaskformer.errors import UserError


@dataclass(frozen=True)
class Stages:
    """Feature maps in the order in which a backbone or neck gives them.

    Attributes:
        channels: of each map.
        strides: of each map, relative to the image; None where they are not known.
    """

    channels: list[int]
    strides: list[int] | None = None


def fill_in_stages(head: Mapping[str, Any], path: str, backbone: nn.Module, neck: nn.Module | None = None) -> dict:
    """Return a head's config with the ``in_channels`` and ``strides`` that it does not give.

    What the config gives is kept. ``in_index`` chooses among the maps.

    Args:
        head: the config. A key ``strides`` means that the head takes strides; None is to be filled in.
        path: where the config stands in the model's, for the error.
        backbone: gives the feature maps, and may report them; see :func:`reported_stages`.
        neck: stands between, if any.

    Returns:
        A copy. ``strides`` is left out where it is not given and not known.

    Raises:
        UserError: ``in_channels`` is missing and not known, ``in_index`` names a map that does not exist, or the maps
            do not come with the finest first.
    """
    filled = dict(head)
    stages = _selected(stages_of(backbone, neck), filled.get("in_index"), path)
    if filled.get("in_channels") is None:
        if stages is None:
            last = backbone if neck is None else neck
            raise UserError(
                f"{path}.in_channels is missing and {type(last).__name__} does not report its channels: set "
                f"{path}.in_channels to the channels of the feature maps that the head reads, finest first"
            )
        filled["in_channels"] = stages.channels
    known = None if stages is None else stages.strides
    if known is not None and known != sorted(known):
        raise UserError(
            f"{path} would read feature maps of strides {known}, but a head reads the finest first: choose and order "
            f"them with {path}.in_index"
        )
    if "strides" in filled and filled["strides"] is None:
        del filled["strides"]
        if known is not None:
            filled["strides"] = known
    return filled


def stages_of(backbone: nn.Module, neck: nn.Module | None = None) -> Stages | None:
    """Return the feature maps that a head gets; None where nothing reports them."""
    stages = reported_stages(backbone)
    if neck is None:
        return stages
    read = STOCK_NECKS.get(f"{type(neck).__module__}.{type(neck).__qualname__}")
    if read is None:
        return reported_stages(neck)
    return read(neck, None if stages is None else stages.strides)


def reported_stages(module: nn.Module) -> Stages | None:
    """Return what a backbone or neck says in its attributes ``channels`` and ``strides``.

    Both must be there, one positive whole number per map: alone, ``strides`` is something else in mmseg's ResNet, and
    ``channels`` in its STDCNet.
    """
    channels, strides = getattr(module, "channels", None), getattr(module, "strides", None)
    if not _counts(channels) or not _counts(strides) or len(channels) != len(strides):
        return None
    return Stages(list(channels), list(strides))


def _counts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, int) and item > 0 for item in value)


def _selected(stages: Stages | None, in_index: Sequence[int] | None, path: str) -> Stages | None:
    if stages is None or in_index is None:
        return stages
    count = len(stages.channels)
    missing = [index for index in in_index if not -count <= index < count]
    if missing:
        raise UserError(f"{path}.in_index names feature map {missing[0]}, but there are {count}: 0 to {count - 1}")
    strides = None if stages.strides is None else [stages.strides[index] for index in in_index]
    return Stages([stages.channels[index] for index in in_index], strides)


def _fpn(neck: Any, strides: Sequence[int] | None) -> Stages:
    kept = None if strides is None else strides[neck.start_level : neck.backbone_end_level]
    return Stages([neck.out_channels] * neck.num_outs, _with_coarser(kept, neck.num_outs))


def _channel_mapper(neck: Any, strides: Sequence[int] | None) -> Stages:
    convolutions = [*neck.convs, *(neck.extra_convs or ())]
    return Stages([conv.out_channels for conv in convolutions], _with_coarser(strides, len(convolutions)))


def _feature2pyramid(neck: Any, strides: Sequence[int] | None) -> Stages:
    # The neck applies these in this order, whatever the order of its `rescales`.
    factors = (4, 2, 1, 0.5) if neck.upsample_4x is not None else (2, 1, 0.5, 0.25)
    factors = factors[: len(neck.rescales)]
    return Stages([neck.upsample_2x[0].out_channels] * len(factors), _rescaled(strides, factors))


def _multi_level(neck: Any, strides: Sequence[int] | None) -> Stages:
    if strides is not None and len(strides) == 1:
        strides = list(strides) * neck.num_outs
    return Stages([neck.out_channels] * neck.num_outs, _rescaled(strides, neck.scales))


def _with_coarser(strides: Sequence[int] | None, count: int) -> list[int] | None:
    """Return the first ``count`` strides; each map that is missing has half the resolution of the one before."""
    if not strides:
        return None
    found = list(strides)
    while len(found) < count:
        found.append(2 * found[-1])
    return found[:count]


def _rescaled(strides: Sequence[int] | None, factors: Sequence[float]) -> list[int] | None:
    if strides is None or len(strides) != len(factors):
        return None
    found = [stride / factor for stride, factor in zip(strides, factors)]
    return [int(stride) for stride in found] if all(stride == int(stride) for stride in found) else None


# Necks that do not report their stages, but whose attributes and forward pass say them. A subclass may differ.
STOCK_NECKS: dict[str, Callable[[Any, Sequence[int] | None], Stages]] = {
    "mmseg.models.necks.fpn.FPN": _fpn,
    "mmseg.models.necks.featurepyramid.Feature2Pyramid": _feature2pyramid,
    "mmseg.models.necks.multilevel_neck.MultiLevelNeck": _multi_level,
    "mmdet.models.necks.fpn.FPN": _fpn,
    "mmdet.models.necks.pafpn.PAFPN": _fpn,
    "mmdet.models.necks.channel_mapper.ChannelMapper": _channel_mapper,
}
