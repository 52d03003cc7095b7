"""Segments images: ``python tools/infer.py IMAGES... --config CONFIG --checkpoint CHECKPOINT --out-dir DIR``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from mmengine.config import DictAction
from mmengine.logging import MMLogger

from mmmaskformer.apis.images import list_images
from mmmaskformer.apis.inferencer import MaskFormerInferencer
from mmmaskformer.datasets.progress import with_progress
from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.visualization.legend import percent

LISTED = 5


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Segment images and write overlays with a legend, and label maps")
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="image files, or folders of them")
    parser.add_argument("--config", required=True, help="config file")
    parser.add_argument("--checkpoint", required=True, help="checkpoint file")
    parser.add_argument("--out-dir", required=True, help="folder for <name>_overlay.png and <name>_labels.png")
    parser.add_argument("--device", help="for instance cuda:0 or cpu (default: a GPU where there is one)")
    parser.add_argument("--batch-size", type=int, default=1, help="images of one size that go through at once")
    parser.add_argument("--no-overlay", action="store_true", help="write the label maps alone")
    parser.add_argument("--opacity", type=float, default=0.5, help="of the colours: 0..1 (default: 0.5)")
    parser.add_argument("--skip-errors", action="store_true", help="go on after an image that cannot be read")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE", help="override settings of the config"
    )
    args = parser.parse_args()
    if not 0 <= args.opacity <= 1:
        parser.error(f"--opacity is {args.opacity}, must lie between 0 and 1")
    if args.batch_size < 1:
        parser.error(f"--batch-size is {args.batch_size}, must be at least 1")
    return args


def main() -> None:
    args = parse_args()
    MMLogger.get_instance("mmengine", log_level="WARNING")
    out_dir = Path(args.out_dir)
    if out_dir.exists() and not out_dir.is_dir():
        raise UserError(f"--out-dir {out_dir} is a file, must be a folder")
    images = list_images(args.images, leave_out=out_dir)
    inferencer = MaskFormerInferencer(args.config, args.checkpoint, args.device, cfg_options=args.cfg_options)
    skipped: list[str] = []

    def skip(name: str, error: UserError) -> None:
        skipped.append(str(error))
        print(f"skipped: {error}", file=sys.stderr)

    areas: Counter[int] = Counter()
    written = 0
    results = inferencer.iterate(images, args.batch_size, skip if args.skip_errors else None)
    for result in with_progress(results, "segmenting", total=len(images)) if len(images) > 1 else results:
        result.save(out_dir, overlay=not args.no_overlay, opacity=args.opacity)
        areas.update(dict(zip(*map(np.ndarray.tolist, np.unique(result.labels, return_counts=True)))))
        written += 1
    kinds = "label map" if args.no_overlay else "overlay and label map"
    print(f"{written} of {len(images)} images segmented; {kinds} of each in {out_dir}")
    if areas:
        print("largest classes:", share_list(areas, inferencer.classes))
    if skipped:
        print(f"{len(skipped)} could not be read")
        if not written:
            raise UserError("none of the images could be read")


def share_list(areas: Counter[int], classes: list[str]) -> str:
    """The largest classes with their shares of all pixels."""
    total = areas.total()
    names = ((classes[label] if 0 <= label < len(classes) else "void", n) for label, n in areas.most_common(LISTED))
    return ", ".join(f"{name} {percent(n / total)}" for name, n in names)


if __name__ == "__main__":
    with one_line_errors():
        main()
