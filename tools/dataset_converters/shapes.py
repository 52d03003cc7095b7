"""Draws Shapes: ``python tools/dataset_converters/shapes.py --out data/shapes``."""

from __future__ import annotations

import argparse

from mmmaskformer.datasets.shapes import VOCABULARIES, ShapesOptions, generate_shapes
from mmmaskformer.errors import one_line_errors


def parse_args() -> argparse.Namespace:
    default = ShapesOptions()
    parser = argparse.ArgumentParser(description="Draw the Shapes data set, with semantic and panoptic ground truth")
    parser.add_argument("--out", default="data/shapes", help="folder to make (default: %(default)s)")
    parser.add_argument("--train", type=int, default=default.train, help="training images (default: %(default)s)")
    parser.add_argument("--val", type=int, default=default.val, help="validation images (default: %(default)s)")
    parser.add_argument(
        "--size", type=int, nargs=2, default=[default.height, default.width], metavar=("HEIGHT", "WIDTH")
    )
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument(
        "--vocabulary",
        choices=list(VOCABULARIES),
        default=default.vocabulary,
        help="10 classes, or 125 of which most are rare (default: %(default)s)",
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    made = generate_shapes(args.out, ShapesOptions(args.train, args.val, *args.size, args.seed, args.vocabulary))
    print(f"{args.out}: {args.train} + {args.val} images {'drawn' if made else 'were there already, as asked for'}")


if __name__ == "__main__":
    with one_line_errors():
        main()
