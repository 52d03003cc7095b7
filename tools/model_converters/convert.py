"""Converts checkpoints: ``python tools/model_converters/convert.py SRC DST [--from FORMAT] [--to FORMAT]``.

SRC is a file, a Hugging Face folder, or the name of a published model. DST is a file: weights, and beside them a config
under the same name with .py; or, with --to hf, a folder. Weights of timm's and torchvision's classifiers become those
of a backbone.

SRC is read as data: nothing in it runs. A config file is a program, which runs when it is read: give --config only
files that you trust.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmmaskformer.checkpoint.architecture import describe_backbone
from mmmaskformer.checkpoint.classifiers import from_classifier
from mmmaskformer.checkpoint.convert import FORMATS, TASKS, ConversionOptions, ConvertedModel, to_ours
from mmmaskformer.checkpoint.formats import Checkpoint, find_format, read_checkpoint
from mmmaskformer.checkpoint.saving import (
    TARGETS,
    check_destination,
    write_detectron2,
    write_hf,
    write_ours,
    write_weights,
)
from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.runs import load_config, sync_dataset_meta
from mmmaskformer.zoo import find_source
from mmmaskformer.zoo.conversion import complete

DATALOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "source",
        metavar="SRC",
        help="checkpoint file, Hugging Face folder, or the name of a model with published weights, which are fetched",
    )
    parser.add_argument("destination", type=Path, metavar="DST", help="file to write, or folder with --to hf")
    parser.add_argument(
        "--from", dest="source_format", default="auto", choices=("auto", *FORMATS), help="format of SRC (default: auto)"
    )
    parser.add_argument(
        "--to", dest="target", default="mmmaskformer", choices=TARGETS, help="format of DST (default: mmmaskformer)"
    )
    parser.add_argument(
        "--config", help="config that the weights are for, a program that runs; one is made from the weights if absent"
    )
    parser.add_argument("--task", choices=TASKS, help="what the model does, where the weights do not tell")
    parser.add_argument("--num-heads", type=int, help="of the transformers (default: 8, or what SRC or --config says)")
    parser.add_argument("--num-things", type=int, help="of a panoptic model's classes, where the weights do not tell")
    args = parser.parse_args()
    if args.config and (args.task or args.num_heads or args.num_things is not None):
        parser.error("--task, --num-heads and --num-things are for weights without a --config, which says all three")
    return args


def main() -> None:
    args = parse_args()
    check_destination(args.destination, Path(args.source), args.target)
    source, published = find_source(args.source)
    checkpoint = read_checkpoint(source)
    if find_format(checkpoint) == "backbone" and args.source_format in ("auto", "backbone"):
        convert_backbone(checkpoint, args)
        return
    config = load_config(args.config) if args.config else None
    if config is not None:
        sync_dataset_meta(config, DATALOADERS)
        config.pop("work_dir")  # named after the config file, and so not that of the one to be written
    options = ConversionOptions(
        source=None if args.source_format == "auto" else args.source_format,
        task=args.task or (published.task if published and config is None else None),
        num_things=args.num_things,
        num_heads=args.num_heads,
        config=config,
    )
    model = to_ours(checkpoint, options)
    if published and config is None:
        complete(model, published)
    if args.target == "mmmaskformer":
        tables, files = [model.conversion.table()], write_ours(model, args.destination)
    else:
        files, conversion = (write_hf if args.target == "hf" else write_detectron2)(model, args.destination)
        tables = (
            [conversion.table()] if model.format == "mmmaskformer" else [model.conversion.table(), conversion.table()]
        )
    print(f"{args.source}: {summary(model)}")
    print("\n\n".join(tables))
    print("\n".join(f"wrote {file}" for file in files))


def convert_backbone(checkpoint: Checkpoint, args: argparse.Namespace) -> None:
    """A classifier's weights for ``init_cfg``; its config is a part of a model's, so it is printed."""
    if args.target != "mmmaskformer" or args.config:
        raise UserError(
            f"{checkpoint.path} is a backbone without a head: neither --to {args.target} nor --config fit it"
        )
    conversion = from_classifier(checkpoint.weights)
    config = describe_backbone(conversion.weights, prefix="")
    write_weights(conversion.weights, args.destination)
    config["init_cfg"] = dict(type="Pretrained", checkpoint=str(args.destination))
    print(conversion.table())
    print(f"wrote {args.destination}")
    print("backbone=dict(" + ", ".join(f"{name}={value!r}" for name, value in config.items()) + ")")


def summary(model: ConvertedModel) -> str:
    """One line: format, task, classes and backbone."""
    head, backbone = model.config.model[model.head], model.config.model.backbone
    name = " ".join(str(backbone[key]) for key in ("type", "depth", "embed_dims", "model_name") if key in backbone)
    if model.num_things is None:
        return f"{model.format}, semantic, {head.num_classes} classes, {name}"
    count = head.num_things_classes + head.num_stuff_classes
    return f"{model.format}, panoptic, {count} classes of which the first {model.num_things} are things, {name}"


if __name__ == "__main__":
    with one_line_errors():
        main()
