"""Segments images: ``python tools/infer.py IMAGES... --checkpoint CHECKPOINT --out-dir DIR [--config CONFIG]``.

In place of config and checkpoint, ``--model NAME`` takes published weights.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from mmengine.logging import MMLogger

from mmmaskformer.apis.images import check_outputs, list_images, output_names, without_repeats
from mmmaskformer.apis.inferencer import MaskFormerInferencer
from mmmaskformer.apis.outputs import OUTPUTS
from mmmaskformer.apis.results import SegmentationResult, image_outputs
from mmmaskformer.datasets.progress import with_progress
from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.runs import arguments, check_is_no_file
from mmmaskformer.visualization import MIN_SCORE
from mmmaskformer.visualization.legend import percent

LISTED = 5


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Segment images and write overlays with a legend, label maps, panoptic maps and instances"
    )
    parser.add_argument(
        "images", nargs="+", metavar="IMAGES", help="image files, folders of them, patterns or addresses"
    )
    parser.add_argument(
        "--config",
        help="config file, which is a program that runs: give only one that you trust (default: the config that the "
        "checkpoint holds, read as data)",
    )
    parser.add_argument("--checkpoint", help="checkpoint file, or a name as for --model")
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="model with published weights, which are fetched once: maskformer_r50_ade20k, or OWNER/NAME of Hugging "
        "Face's hub (in place of --config and --checkpoint)",
    )
    parser.add_argument(
        "--trust-config",
        action="store_true",
        help="run the config that the checkpoint holds as a program: code in it will run",
    )
    parser.add_argument(
        "--out-dir", required=True, help="folder for <name>_overlay.png, <name>_labels.png, <name>_panoptic.png, ..."
    )
    parser.add_argument("--device", help="for instance cuda:0 or cpu (default: a GPU where there is one)")
    parser.add_argument("--batch-size", type=int, default=1, help="images of one size that go through at once")
    parser.add_argument(
        "--outputs", nargs="+", choices=OUTPUTS, help="what to predict (default: what the config's test_cfg says)"
    )
    parser.add_argument("--no-overlay", action="store_true", help="write no pictures")
    parser.add_argument("--opacity", type=float, default=0.5, help="of the colors: 0..1 (default: 0.5)")
    parser.add_argument(
        "--min-score", type=float, default=MIN_SCORE, help=f"of the instances that are drawn (default: {MIN_SCORE})"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        help="least class confidence of segments and least score of instances: 0..1 (default: the config's)",
    )
    parser.add_argument("--skip-errors", action="store_true", help="go on after an image that cannot be read")
    arguments.add_cfg_options(parser)
    args = parser.parse_args()
    if args.model and (args.config or args.checkpoint):
        parser.error("--model has a config and weights: give it without --config and --checkpoint")
    if not (args.model or args.config or args.checkpoint):
        parser.error("no model given: say --checkpoint, or --model with the name of a published one")
    for option in ("opacity", "min_score", "threshold"):
        value = getattr(args, option)
        if value is not None and not 0 <= value <= 1:
            parser.error(f"--{option.replace('_', '-')} is {value}, must lie between 0 and 1")
    if args.batch_size < 1:
        parser.error(f"--batch-size is {args.batch_size}, must be at least 1")
    return args


def main() -> None:
    args = parse_args()
    MMLogger.get_instance("mmengine", log_level="WARNING")
    out_dir = Path(args.out_dir)
    check_is_no_file(out_dir, "--out-dir")
    images = without_repeats(list_images(args.images, leave_out=out_dir))
    check_outputs(images, image_outputs(out_dir, output_names(images)))
    inferencer = MaskFormerInferencer(
        args.model or args.config,
        args.checkpoint,
        args.device,
        outputs=args.outputs,
        cfg_options=args.cfg_options,
        trust_config=args.trust_config,
    )
    skipped: list[str] = []

    def skip(name: str, error: UserError) -> None:
        skipped.append(str(error))
        print(f"skipped: {error}", file=sys.stderr)

    summary = Summary(inferencer.classes, args.min_score)
    on_error = skip if args.skip_errors else None
    results = inferencer.iterate(images, args.batch_size, on_error, threshold=args.threshold)
    for result in with_progress(results, "segmenting", total=len(images)) if len(images) > 1 else results:
        result.save(out_dir, overlay=not args.no_overlay, opacity=args.opacity, min_score=args.min_score)
        summary.add(result)
    pictures = "" if args.no_overlay else " and overlays"
    print(f"{summary.images} of {len(images)} images segmented; predictions{pictures} in {out_dir}")
    print(summary, end="")
    if skipped:
        print(f"{len(skipped)} could not be read")
        if not summary.images:
            raise UserError("none of the images could be read")


class Summary:
    """What there is on all images together.

    Args:
        classes: name of every class.
        min_score: instances below are not counted.
    """

    def __init__(self, classes: list[str], min_score: float) -> None:
        self.classes = classes
        self.min_score = min_score
        self.images = 0
        self.counts: dict[str, Counter[int]] = {}
        self.areas: Counter[int] = Counter()

    def add(self, result: SegmentationResult) -> None:
        """Counts one image."""
        self.images += 1
        labels = result.labels
        if result.panoptic is not None:
            labels = result.panoptic.label_map(void=len(self.classes))
            self._count("things", [segment.label for segment in result.panoptic.segments if segment.is_thing])
        if result.instances is not None:
            sure = result.instances.above(self.min_score).labels.tolist()
            self._count(f"instances of score {self.min_score} and more", sure)
        if labels is not None:
            self.areas.update(dict(zip(*map(np.ndarray.tolist, np.unique(labels, return_counts=True)))))

    def _count(self, what: str, labels: list[int]) -> None:
        self.counts.setdefault(what, Counter()).update(labels)

    def __str__(self) -> str:
        """A line for each kind of output, the most frequent class first."""
        lines = []
        for what, count in self.counts.items():
            found = [f"{number} {self._name(label)}" for label, number in count.most_common()]
            lines.append(f"{what}: {', '.join(found) or 'none'}\n")
        if self.areas:
            total = self.areas.total()
            shares = [f"{self._name(label)} {percent(area / total)}" for label, area in self.areas.most_common(LISTED)]
            lines.append(f"largest classes: {', '.join(shares)}\n")
        return "".join(lines)

    def _name(self, label: int) -> str:
        return self.classes[label] if 0 <= label < len(self.classes) else "void"


if __name__ == "__main__":
    with one_line_errors():
        main()
