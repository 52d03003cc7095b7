"""Exports a model for serving: ``python tools/export.py CONFIG CHECKPOINT --format onnx``.

The file takes images (B, H, W, 3) uint8 RGB of any size and the size of the results; it normalizes and
pads them itself. See docs/export.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.logging import MMLogger

from mmmaskformer.apis.images import list_images, without_repeats
from mmmaskformer.apis.outputs import OUTPUTS
from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.export import FORMATS, OPSET, InputShape, export_model
from mmmaskformer.runs import arguments, check_is_no_input, load_config


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--format", choices=FORMATS, default="onnx", help="of the file (default: onnx)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="(default: the checkpoint's name with .onnx or .pt2)")
    parser.add_argument("--outputs", nargs="+", choices=OUTPUTS, help="what to predict (default: what test_cfg says)")
    parser.add_argument("--scores", action="store_true", help="also give the class scores, one map a class")
    parser.add_argument(
        "--size", nargs=2, type=int, metavar=("H", "W"), help="fix the size of images and results (default: any)"
    )
    parser.add_argument("--batch-size", type=int, metavar="N", help="fix the number of images (default: any)")
    parser.add_argument("--opset", type=int, default=OPSET, help=f"of ONNX (default: {OPSET})")
    parser.add_argument(
        "--verify", nargs="+", metavar="IMAGES", help="compare with PyTorch on image files or folders of them"
    )
    arguments.add_cfg_options(parser)
    args = parser.parse_args()
    for option in ("size", "batch_size", "opset"):
        value = getattr(args, option)
        if value is not None and min(value if isinstance(value, list) else [value]) < 1:
            parser.error(f"--{option.replace('_', '-')} must be at least 1, got {value}")
    return args


def main() -> None:
    args = parse_args()
    MMLogger.get_instance("mmengine", log_level="WARNING")
    out = args.out or Path(args.checkpoint).with_suffix(FORMATS[args.format])
    if out.is_dir():
        raise UserError(f"--out {out} is a folder, must be a file")
    images = list_images(args.verify) if args.verify else []
    check_is_no_input(out, "--out", [args.config, args.checkpoint, *images])
    description, differences = export_model(
        load_config(args.config, args.cfg_options),
        args.checkpoint,
        out,
        args.format,
        outputs=args.outputs,
        scores=args.scores,
        shape=InputShape(args.batch_size, tuple(args.size) if args.size else None),
        opset=args.opset,
        verify_on=without_repeats(images),
    )
    print(f"wrote {out}: {', '.join(description['outputs'])}")
    for kind, difference in differences.items():
        if difference.pixels:
            print(f"{kind}: {difference.differing} of {difference.pixels} pixels differ from PyTorch's")
        if difference.score is not None:
            print(f"{kind}: scores differ from PyTorch's by {difference.score:.1e} at most")
        if difference.example:
            print(f"{kind}: {difference.example}")


if __name__ == "__main__":
    with one_line_errors():
        main()
