"""Checkpoints of others as cached checkpoints of ours."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from mmmaskformer import __version__
from mmmaskformer.checkpoint.classes import plain
from mmmaskformer.checkpoint.convert import ConversionOptions, ConvertedModel, to_ours
from mmmaskformer.checkpoint.formats import read_checkpoint
from mmmaskformer.checkpoint.saving import write_ours
from mmmaskformer.foreign.pipelines import loads_truth
from mmmaskformer.runs.config import find_config
from mmmaskformer.runs.dataset_info import dataset_metainfo

from .cache import cache_folder, cannot_write
from .released import ReleasedModel

DIGITS = 16  # of the source's sha256 in a file's name


def converted_file(name: str, digest: str) -> Path:
    """Where the converted model is kept.

    Args:
        name: for the reader.
        digest: sha256 of the source. A new version of this package converts again.
    """
    return cache_folder() / "converted" / f"{name}-{digest[:DIGITS]}-{__version__}.pth"


def convert(source: Path, target: Path, model: ReleasedModel | None = None) -> Path:
    """Write a checkpoint of ours; the caller holds the lock.

    Args:
        source: a file or a Hugging Face folder, read as data.
        target: see :func:`converted_file`.
        model: which published model the source is, if it is one.

    Raises:
        UserError: the source is no MaskFormer, or the cache folder cannot be written.
    """
    checkpoint = read_checkpoint(source)
    converted = to_ours(checkpoint, ConversionOptions(task=model.task if model else None))
    if model:
        complete(converted, model)
    try:
        write_ours(converted, target)
    except OSError as error:
        raise cannot_write(error) from error
    return target


def complete(converted: ConvertedModel, model: ReleasedModel) -> None:
    """Add what the weights of a published model do not tell, from this package's config with the model's name.

    These are the classes, and how images are prepared and results are made: test pipeline, padding and thresholds.
    """
    cfg = Config.fromfile(find_config(model.name))
    dataset = cfg.test_dataloader.dataset
    steps = [step.to_dict() for step in dataset.pipeline if not loads_truth(step.type)]
    converted.config["test_pipeline"] = steps
    for part in ("data_preprocessor", "test_cfg"):
        converted.config.model[part] = cfg.model[part].to_dict()
    metainfo = {key.lower(): value for key, value in dataset_metainfo(dataset).items()}
    head = converted.config.model[converted.head]
    count = head.get("num_classes") or head.num_things_classes + head.num_stuff_classes
    if len(metainfo.get("classes", ())) == count:
        keys = ("classes", "palette", "thing_classes", "stuff_classes")
        converted.dataset_meta = {key: [plain(v) for v in metainfo[key]] for key in keys if metainfo.get(key)}
