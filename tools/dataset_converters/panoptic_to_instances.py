"""Derives COCO's instance json from a panoptic one: ``panoptic_to_instances.py panoptic.json PNG_DIR instances.json``.

For training on instances alone. Mask AP needs no such file: ``mmmaskformer.PanopticInstanceMetric`` derives it itself.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mmmaskformer.coco.panoptic_json import read_panoptic_json
from mmmaskformer.datasets.panoptic_instances import instances_of_panoptic
from mmmaskformer.errors import one_line_errors
from mmmaskformer.files import atomic_open
from mmmaskformer.runs import check_is_no_input


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("panoptic_json", help="panoptic json to read")
    parser.add_argument("png_dir", help="folder with the PNGs that it names")
    parser.add_argument("out_json", type=Path, help="instance json to write")
    args = parser.parse_args()
    check_is_no_input(args.out_json, "out_json", [args.panoptic_json])
    panoptic = read_panoptic_json(args.panoptic_json)
    instances = instances_of_panoptic(panoptic, args.png_dir, args.panoptic_json, show_progress=True)
    args.out_json.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(args.out_json, "w", encoding="utf-8") as file:
        json.dump(instances, file)
    print(f"{args.out_json}: {len(instances['annotations'])} instances in {len(instances['images'])} images")


if __name__ == "__main__":
    with one_line_errors():
        main()
