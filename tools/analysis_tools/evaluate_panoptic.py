"""Panoptic quality of predictions in files, in COCO's format: ``evaluate_panoptic.py truth.json predictions.json``.

The numbers are those of panopticapi. ``tools/test.py --out`` writes such predictions.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mmmaskformer.errors import one_line_errors
from mmmaskformer.evaluation.panoptic_files import count_files
from mmmaskformer.evaluation.quality_tables import class_numbers, class_table, group_numbers, group_table
from mmmaskformer.files import atomic_open
from mmmaskformer.runs import check_is_no_input


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("truth_json", help="the truth")
    parser.add_argument("predicted_json", help="the predictions")
    parser.add_argument("--truth-dir", help="folder of the truth's PNGs (default: truth_json without .json)")
    parser.add_argument("--predicted-dir", help="folder of the predictions' PNGs (default: likewise)")
    parser.add_argument("--threads", type=int, help="number of threads (default: one per processor)")
    parser.add_argument("--classwise", action="store_true", help="print every class as well")
    parser.add_argument("--json", type=Path, help="write the numbers, in percent, to this file")
    args = parser.parse_args()
    if args.threads is not None and args.threads < 1:
        parser.error("--threads must be at least 1")
    return args


def main() -> None:
    args = parse_args()
    if args.json:
        check_is_no_input(args.json, "--json", [args.truth_json, args.predicted_json])
    found = count_files(args.truth_json, args.predicted_json, args.truth_dir, args.predicted_dir, args.threads)
    counts = found.counts
    groups = {"all": counts.mean(), "things": counts.mean(found.things), "stuff": counts.mean(~found.things)}
    print(group_table(groups))
    if args.classwise:
        print(class_table(counts, found.classes))
    if args.json:
        numbers = class_numbers(counts, found.classes)
        for quality, suffix in zip(groups.values(), ("", "_th", "_st")):
            numbers |= group_numbers(quality, suffix) if quality.num_classes else {}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        with atomic_open(args.json, "w", encoding="utf-8") as file:
            file.write(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    with one_line_errors():
        main()
