"""What a run gives out: which kinds of segmentation, and where predictions and pictures of them go."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmengine.config import Config, ConfigDict
from mmengine.registry import METRICS, VISUALIZERS, Registry

from mmmaskformer.errors import UserError
from mmmaskformer.registry import class_in_config

OUTPUTS = ("panoptic", "instance", "semantic")


def choose_outputs(cfg: Config, outputs: Sequence[str]) -> None:
    """Make the model predict these kinds of segmentation and no others, whatever its ``test_cfg`` says.

    Args:
        cfg: The config, changed in place.
        outputs: Some of ``"panoptic"``, ``"instance"`` and ``"semantic"``.

    Raises:
        UserError: There is no such kind, or the model does not have it.
    """
    has_segments = "panoptic_head" in cfg.model
    names = outputs_of(outputs, has_segments, has_labels="panoptic_fusion_head" not in cfg.model)
    if not has_segments:
        return
    chosen = {f"{name}_on": name in names for name in OUTPUTS}
    cfg.model.test_cfg = {**(cfg.model.get("test_cfg") or {}), **chosen}


def outputs_of(outputs: str | Sequence[str], has_segments: bool, has_labels: bool) -> list[str]:
    """Return the kinds of segmentation that were asked for.

    Args:
        outputs: the kinds, or one.
        has_segments: whether the model has a panoptic head.
        has_labels: whether it predicts label maps.

    Raises:
        UserError: there is no such kind, or the model does not have it.
    """
    names = [outputs] if isinstance(outputs, str) else list(outputs)
    unknown = [name for name in names if name not in OUTPUTS]
    if unknown or not names:
        named = f"{unknown[0]!r} is no kind of output" if unknown else "no kind of output was given"
        raise UserError(f"{named}; there are {', '.join(OUTPUTS)}")
    foreign = [name for name in names if name != "semantic"]
    if foreign and not has_segments:
        raise UserError(f"{foreign[0]} output needs a model with a panoptic_head; this config's has none")
    if "semantic" in names and not has_labels:
        raise UserError("mmdet's own MaskFormer has no semantic output; type='mmmaskformer.MaskFormer' has")
    return names


def draw_predictions(cfg: Config, show_dir: str) -> None:
    """Make a test run draw image | truth | prediction of every image into ``show_dir``.

    Another visualizer than :class:`mmmaskformer.visualization.SegmentationVisualizer` is replaced by it, with the same
    backends.
    """
    visualizer = cfg.get("visualizer") or {}
    if "SegmentationVisualizer" not in _class_names(VISUALIZERS, visualizer):
        kept = {key: visualizer[key] for key in ("name", "vis_backends", "save_dir") if key in visualizer}
        cfg.visualizer = dict(type="mmmaskformer.SegmentationVisualizer", **kept)
    _add_hook(cfg, dict(type="mmmaskformer.PanelWriterHook", out_dir=show_dir))


def write_predictions(cfg: Config, out_dir: str) -> None:
    """Make a test run write its predictions into ``out_dir``, beside evaluating them.

    Semantic label maps become PNGs. Of a model with a panoptic head, what the config evaluates is written: segments in
    the format of COCO's panoptic server (``panoptic.json`` and ``panoptic/``) by PanopticQualityMetric, instances in
    that of its detection server (``instances.segm.json`` and ``instances.bbox.json``) by mmdet's CocoMetric; and label
    maps (``semantic/``) where ``test_cfg.semantic_on`` asks for them.

    Args:
        cfg: The config, changed in place.
        out_dir: The folder.

    Raises:
        UserError: The config evaluates neither segments nor instances and predicts no label maps.
    """
    if "panoptic_head" not in cfg.model:
        _add_hook(cfg, dict(type="mmmaskformer.LabelMapWriterHook", out_dir=out_dir))
        return
    writes = False
    if (cfg.model.get("test_cfg") or {}).get("semantic_on"):
        _add_hook(cfg, dict(type="mmmaskformer.LabelMapWriterHook", out_dir=os.path.join(out_dir, "semantic")))
        writes = True
    evaluators = cfg.get("test_evaluator") or []
    for metric in evaluators if isinstance(evaluators, list | tuple) else [evaluators]:
        kinds = _class_names(METRICS, metric)
        if "PanopticQualityMetric" in kinds:
            metric.out_dir = out_dir
        elif "CocoMetric" in kinds:
            metric.outfile_prefix = os.path.join(out_dir, "instances")
        elif "CocoPanopticMetric" in kinds:
            metric.outfile_prefix = os.path.join(out_dir, "panoptic")
        else:
            continue
        writes = True
    if not writes:
        raise UserError(
            f"--out {out_dir}: nothing of this config's run would write there; test_evaluator needs "
            "mmmaskformer.PanopticQualityMetric for segments or mmdet's CocoMetric for instances, or model.test_cfg "
            "semantic_on=True for label maps"
        )


def _class_names(registry: Registry, config: ConfigDict) -> set[str]:
    """Names of the class that a config names and of those it is made from; none where no registry knows it."""
    return {base.__name__ for base in getattr(class_in_config(registry, config), "__mro__", ())}


def _add_hook(cfg: Config, hook: dict) -> None:
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), hook]
