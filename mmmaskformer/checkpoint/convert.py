"""A checkpoint of any known project -> ours, and ours -> the reference release's or Hugging Face's.

Everything is checked before anything is written: each key is accounted for, and the result has exactly the tensors of
the model that its config builds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mmengine.config import Config
from torch import Tensor

from mmmaskformer import labels
from mmmaskformer.errors import UserError, listed
from mmmaskformer.foreign import values
from mmmaskformer.foreign.metainfo import read_dataset_meta

from . import detectron2, huggingface, openmmlab
from .architecture import HEADS, describe_backbone, describe_head, find_head
from .classes import known_classes, named_classes
from .config_from_weights import NUM_THINGS, ReleaseSettings, make_config, release_settings
from .fitting import check_fit, check_kinds, shapes_of
from .formats import BACKBONES, FORMATS, Checkpoint, find_format
from .hf_config import HEAVIEST, class_names, read_settings
from .keymap import Conversion

TASKS = ("semantic", "panoptic")
DETECTRON2_CLASSES = "sem_seg_head.predictor.class_embed.bias"
DETECTRON2_ENCODER = ".transformer.encoder.layers.0.linear1.weight"
HF_CLASSES = "class_predictor.bias"


@dataclass
class ConversionOptions:
    """What the user says, each None where it is to be found out.

    Attributes:
        source: one of ``reading.FORMATS``.
        task: "semantic" or "panoptic".
        num_things: of a panoptic model.
        num_heads: of the transformers, which no shape tells.
        config: of the model that the weights are for.
    """

    source: str | None = None
    task: str | None = None
    num_things: int | None = None
    num_heads: int | None = None
    config: Config | None = None


@dataclass
class ConvertedModel:
    """A whole model of ours.

    Attributes:
        format: of the checkpoint that it was read from.
        conversion: its weights under our names, and what became of the checkpoint's.
        head: "decode_head" or "panoptic_head".
        num_things: of a panoptic model, else None.
        config: that builds it.
        settings: what the shapes do not tell.
        dataset_meta: classes and their colors, as far as they are known.
    """

    format: str
    conversion: Conversion
    head: str
    num_things: int | None
    config: Config
    settings: ReleaseSettings
    dataset_meta: dict[str, Any] = field(default_factory=dict)

    @property
    def weights(self) -> dict[str, Tensor]:
        return self.conversion.weights

    @property
    def things_first(self) -> bool:
        """Whether its classes are ADE20K's in an order that the release does not have."""
        classes = self.weights.get(f"{self.head}.class_embed.bias")
        return self.num_things == labels.ADE20K_THINGS and len(classes) == labels.ADE20K_CLASSES + 1


def to_ours(checkpoint: Checkpoint, options: ConversionOptions | None = None) -> ConvertedModel:
    """Return the checkpoint as a model of ours with a config that fits.

    Raises:
        UserError: it is of another model or not whole, or the options or the config disagree with it.
    """
    options = options or ConversionOptions()
    format = find_format(checkpoint)
    if options.source not in (None, format):
        raise UserError(
            f"--from {options.source}: {checkpoint.path} is of the format {format!r}; its first keys are "
            f"{listed(checkpoint.weights)}"
        )
    if format == "backbone":
        raise UserError(f"{checkpoint.path} is a backbone without a head: {listed(checkpoint.weights)}")
    if not any(key.startswith(BACKBONES[format]) for key in checkpoint.weights):
        raise UserError(f"{checkpoint.path} is half a model, without a backbone: {listed(checkpoint.weights)}")
    head = _target_head(checkpoint, format, options)
    check_kinds(checkpoint.weights)
    conversion = _convert(checkpoint, format, head)
    sizes = describe_head(conversion.weights, head)
    own = read_dataset_meta(checkpoint.meta, str(checkpoint.path))
    if len(own.get("classes", ())) != sizes.num_classes:
        own = {}  # of another model
    num_things = _num_things(own, sizes.num_classes, options) if head == "panoptic_head" else None
    if num_things is None and options.num_things is not None:
        raise UserError(f"--num-things {options.num_things}: {checkpoint.path} is semantic; add --task panoptic")

    if options.config is not None:
        config, settings = options.config, read_config(options.config, head)
    else:
        backbone = describe_backbone(conversion.weights)
        settings = _settings(checkpoint, format, conversion.weights, backbone, head, options)
        if format == "detectron2" and backbone.get("deep_stem"):
            # The release's R101c: dilations in the last stage's blocks, which mmdet's ResNet cannot have.
            backbone.update(type="mmseg.ResNet", multi_grid=(1, 2, 4))
        config = Config(make_config(sizes, backbone, settings, num_things))
    whose = "the config's model" if options.config is not None else f"a {sizes.kind} model with these sizes"
    check_fit(conversion.weights, shapes_of(config), whose)
    meta = own or _known_dataset_meta(checkpoint, format, sizes.num_classes, num_things)
    return ConvertedModel(format, conversion, head, num_things, config, settings, meta)


def to_theirs(model: ConvertedModel, target: str) -> Conversion:
    """Return the model under the names of ``target``, "detectron2" or "hf".

    Raises:
        UserError: a part that they have no place for.
    """
    for part, what in (
        ("query_feat.weight", "masked attention"),
        ("class_embed.pool.weight", "a class head that reads the pixels under a mask"),
        ("pixel_decoder.position_convs.0.weight", "a pixel decoder that adds places"),
    ):
        if f"{model.head}.{part}" in model.weights:
            raise UserError(
                f"--to {target}: the model has {what} ({model.head}.{part}), which MaskFormer has not there; only "
                "models with the paper's parts can be written for other projects"
            )
    convert = {"detectron2": detectron2, "hf": huggingface}[target].convert_to
    return convert(model.weights, model.head, model.things_first, model.settings.no_object_weight)


def read_config(config: Config, head: str) -> ReleaseSettings:
    """Return what shapes do not tell, from a config of our model."""
    model = config.model
    part, pixels = model[head], model.get("data_preprocessor") or {}
    loss = (part.get("criterion") or {}).get("class_loss") or {}
    found = dict(
        num_heads=(part.get("transformer_decoder") or {}).get("num_heads"),
        no_object_weight=loss.get("no_object_weight"),
        mean=pixels.get("mean"),
        std=pixels.get("std"),
    )
    default = release_settings(head == "panoptic_head", model.backbone)
    return replace(default, **{name: value for name, value in found.items() if value is not None})


def _target_head(checkpoint: Checkpoint, format: str, options: ConversionOptions) -> str:
    """Return the head's name in the result, which decides over the task."""
    if options.config is not None:
        model = options.config.get("model") or {}
        found = [head for head in HEADS if head in model]
        if not found:
            raise UserError("--config: its model has neither a decode_head nor a panoptic_head")
        return found[0]
    if options.task is not None:
        return HEADS[TASKS.index(options.task)]
    weights = checkpoint.weights
    if format in ("mmseg", "mmdet", "mmmaskformer"):
        return find_head(weights)
    classes = weights.get(DETECTRON2_CLASSES if format == "detectron2" else HF_CLASSES)
    panoptic = any(key.endswith(DETECTRON2_ENCODER) for key in weights)  # the release's semantic models have none
    panoptic |= classes is not None and classes.numel() == 133 + 1
    return HEADS[panoptic]


def _convert(checkpoint: Checkpoint, format: str, head: str) -> Conversion:
    weights = checkpoint.weights
    if format in ("detectron2", "hf"):
        project = detectron2 if format == "detectron2" else huggingface
        classes = weights.get(DETECTRON2_CLASSES if format == "detectron2" else HF_CLASSES)
        ade = head == "panoptic_head" and classes is not None and classes.numel() == labels.ADE20K_CLASSES + 1
        return project.convert_from(weights, head, ade)
    there = find_head(weights)
    if format == "mmmaskformer":
        result = Conversion(dict(weights), {("(ours already)", "(ours)", ""): len(weights)})
    else:
        result = openmmlab.convert_from(weights, f"{there}.")
    if there != head:
        result.weights = {
            head + key.removeprefix(there) if key.startswith(f"{there}.") else key: value
            for key, value in result.weights.items()
        }
    return result


def _num_things(dataset_meta: Mapping[str, Any], count: int, options: ConversionOptions) -> int:
    if options.config is not None:
        return options.config.model.panoptic_head.num_things_classes
    things = dataset_meta.get("thing_classes")
    found = options.num_things if things is None or options.num_things is not None else len(things)
    found = NUM_THINGS.get(count) if found is None else found
    if found is None:
        raise UserError(f"no shape tells how many of the {count} classes are things: say it with --num-things")
    if not 0 <= found <= count:
        raise UserError(f"--num-things {found}: the checkpoint has {count} classes")
    return found


def _settings(
    checkpoint: Checkpoint,
    format: str,
    weights: Mapping[str, Tensor],
    backbone: Mapping[str, Any],
    head: str,
    options: ConversionOptions,
) -> ReleaseSettings:
    settings = release_settings(head == "panoptic_head", backbone)
    if format == "hf":
        settings = read_settings(checkpoint.config, checkpoint.preprocessor, settings)
    elif format == "detectron2" and (own := checkpoint.weights.get("criterion.empty_weight")) is not None:
        last = own.flatten()[-1:].tolist()
        weight = values.number(last[0] if last else None, "criterion.empty_weight[-1]", 0, HEAVIEST)
        settings.no_object_weight = round(weight, 6)
    elif format in ("mmseg", "mmdet"):
        # Neither pads at test time as the release does; mmdet hides padding from attention.
        settings = replace(settings, size_divisor=None, mask_padding=format == "mmdet")
    if options.num_heads is not None:
        settings.num_heads = options.num_heads
    return settings


def _known_dataset_meta(checkpoint: Checkpoint, format: str, count: int, num_things: int | None) -> dict[str, Any]:
    """Classes of a checkpoint without ``dataset_meta``."""
    names = class_names(checkpoint.config, count) if format == "hf" else None
    if names is None:
        return known_classes(count, num_things is not None)
    if num_things == labels.ADE20K_THINGS and count == labels.ADE20K_CLASSES:
        names = [names[label] for label in labels.ADE20K_THINGS_FIRST]
    return named_classes(names, num_things)


__all__ = ["FORMATS", "TASKS", "ConvertedModel", "ConversionOptions", "read_config", "to_ours", "to_theirs"]
