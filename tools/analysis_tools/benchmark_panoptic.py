"""Our panoptic quality against panopticapi's and hotcoco's, and panoptic inference against mmdet's fusion head.

Prints the medians and their ratios; ``--json FILE`` also writes them.

``pq``: panopticapi's time over ours (larger is better), in one process, on the same maps of 640x480 in memory; neither
side reads files or decodes colors. ``segments``: the same for an image of few to very many segments, and the most
memory that ours holds at a time. ``files``: the milliseconds that an image takes from JSON and PNG files, truth written
by Pillow, as COCO's is, and predictions by us; ours with one thread per processor, and with one.
The peers are installed for the comparison alone: ``pip install --no-deps panopticapi-lite==0.2.0 hotcoco``.

``fusion_time_ratio``: our time over that of mmdet's fusion head (smaller is better), from 100 queries to the panoptic
map of an 800x1333 image with 40 segments. Ours starts at the factors of the masks; the fusion head is given masks that
are made and upsampled already. ``fusion_whole_ratio`` counts that on mmdet's side too.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.registry import MODELS
from panoptic_peers import file_measures, make_image, our_quality, panopticapi_quality, write_files

from mmmaskformer.core.panoptic import PanopticSegments, panoptic_segments
from mmmaskformer.core.tiles import OutputGeometry
from mmmaskformer.det.panoptic_code import segment_codes
from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.evaluation import PanopticCounts
from mmmaskformer.files import atomic_open
from mmmaskformer.structures import MaskPredictions

SEGMENTS = (15, 1_000, 5_000, 20_000)
IMAGE, QUERIES, SURVIVORS = (800, 1333), 100, 40
THINGS, STUFF = 80, 53


def alternate(ours: Callable, theirs: Callable, pairs: int) -> dict[str, float]:
    """Median seconds of each side over alternating pairs, after one warm-up each; and the median of theirs / ours."""
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for pair in range(pairs + 1):
        for side, step in (("ours", ours), ("theirs", theirs)):
            start = time.perf_counter()
            step()
            if pair:
                seconds[side].append(time.perf_counter() - start)
    ratios = [b / a for a, b in zip(*seconds.values())]
    return {**{side: median(values) for side, values in seconds.items()}, "ratio": median(ratios)}


def measure_quality(args: argparse.Namespace) -> dict[str, float]:
    """Panoptic quality of ``args.images`` maps on both sides.

    Raises:
        UserError: panopticapi is not there, or the two sides count differently.
    """
    rng = np.random.default_rng(0)
    images = [make_image(args.height, args.width, rng) for _ in range(args.images)]
    ours, theirs = our_quality(images), panopticapi_quality(images)
    check_equal(ours(), theirs())
    times = alternate(ours, theirs, args.pairs)
    milliseconds = {side: 1e3 * times[side] / len(images) for side in ("ours", "theirs")}
    print(
        f"panoptic quality of an image: ours {milliseconds['ours']:.2f} ms, "
        f"panopticapi {milliseconds['theirs']:.2f} ms, speedup {times['ratio']:.1f}",
        flush=True,
    )
    return {
        "pq_speedup": times["ratio"],
        "pq_ours_ms": milliseconds["ours"],
        "pq_panopticapi_ms": milliseconds["theirs"],
    }


def measure_segments(args: argparse.Namespace) -> dict[str, float]:
    """Panoptic quality of an image of few to very many segments on both sides.

    Raises:
        UserError: panopticapi is not there, or the two sides count differently.
    """
    figures = {}
    print(f"{'segments':>8} {'ours':>9} {'panopticapi':>12} {'speedup':>8} {'our memory':>11}")
    for segments in SEGMENTS:
        images = [make_image(args.height, args.width, np.random.default_rng(0), segments)]
        ours, theirs = our_quality(images), panopticapi_quality(images)
        check_equal(ours(), theirs())
        tracemalloc.start()
        ours()
        megabytes = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        times = alternate(ours, theirs, args.pairs)
        milliseconds = [1e3 * times[side] for side in ("ours", "theirs")]
        print(
            f"{segments:>8} {milliseconds[0]:>6.2f} ms {milliseconds[1]:>9.2f} ms {times['ratio']:>8.1f} "
            f"{megabytes:>8.1f} MB",
            flush=True,
        )
        names = ("ours_ms", "panopticapi_ms", "speedup", "ours_mb")
        figures |= dict(zip((f"pq_{segments}_{n}" for n in names), (*milliseconds, times["ratio"], megabytes)))
    return figures


def measure_files(args: argparse.Namespace) -> dict[str, float]:
    """Panoptic quality from JSON and PNG files, by us, panopticapi and hotcoco.

    Raises:
        UserError: a peer is not there, or two sides count differently.
    """
    rng = np.random.default_rng(0)
    images = [make_image(args.height, args.width, rng) for _ in range(args.images)]
    with tempfile.TemporaryDirectory() as folder:
        write_files(images, Path(folder))
        measures = file_measures(Path(folder))
        found = {name: measure() for name, measure in measures.items()}
        for counts in found.values():
            check_equal(found["ours"], counts)
        seconds: dict[str, list[float]] = {name: [] for name in measures}
        for _ in range(args.pairs):
            for name, measure in measures.items():
                start = time.perf_counter()
                measure()
                seconds[name].append(time.perf_counter() - start)
    milliseconds = {name: 1e3 * median(values) / len(images) for name, values in seconds.items()}
    listed = ", ".join(f"{name} {value:.2f} ms" for name, value in milliseconds.items())
    print(f"panoptic quality of an image from files, {len(os.sched_getaffinity(0))} processors: {listed}", flush=True)
    return {f"files_{name.replace(', ', '_').replace(' ', '_')}_ms": value for name, value in milliseconds.items()}


def check_equal(ours: PanopticCounts, theirs: PanopticCounts) -> None:
    """Raises ``UserError`` unless two sides count the same and their qualities differ by less than 1e-12."""
    if not (
        np.array_equal(ours.values[:, 1:], theirs.values[:, 1:])
        and np.allclose(ours.per_class(), theirs.per_class(), rtol=0, atol=1e-12)
    ):
        raise UserError("ours and a peer count differently: their times cannot be compared")


def crowded_predictions() -> MaskPredictions:
    """100 queries of which 40 are sure of a cell of a 5 x 8 grid each: 20 of things, 20 of different stuff."""
    generator = torch.Generator().manual_seed(0)
    height, width = -(-IMAGE[0] // 4), -(-IMAGE[1] // 4)
    logits = torch.full((QUERIES, height, width), -6.0)
    for cell in range(SURVIVORS):
        row, column = divmod(cell, 8)
        rows = slice(row * height // 5, (row + 1) * height // 5)
        logits[cell, rows, column * width // 8 : (column + 1) * width // 8] = 6.0
    logits += torch.randn(logits.shape, generator=generator) / 2
    # Orthonormal mask embeddings of the paper's width, so that their products with the pixels are these logits.
    embeds = torch.linalg.qr(torch.randn(256, QUERIES, generator=generator)).Q.T
    class_logits = torch.randn(QUERIES, THINGS + STUFF + 1, generator=generator)
    labels = torch.cat([torch.randint(THINGS, (SURVIVORS // 2,), generator=generator), THINGS + torch.arange(20)])
    class_logits[torch.arange(SURVIVORS), labels] += 14
    class_logits[SURVIVORS:, -1] += 14
    return MaskPredictions.from_embeddings(
        class_logits[None, None], embeds[None, None], torch.einsum("qc,qhw->chw", embeds, logits)[None]
    )


def measure_fusion(args: argparse.Namespace) -> dict[str, float]:
    """Panoptic inference of one image on both sides.

    Raises:
        UserError: the two sides give different maps.
    """
    predictions, (height, width) = crowded_predictions(), IMAGE
    padded = tuple(4 * side for side in predictions.mask_size)
    geometry = OutputGeometry(padded, (0, 0, height, width), IMAGE)
    sample = DetDataSample(metainfo=dict(img_shape=IMAGE, ori_shape=IMAGE, batch_input_shape=padded))
    fusion = MODELS.build(
        dict(
            type="mmdet.MaskFormerFusionHead",
            num_things_classes=THINGS,
            num_stuff_classes=STUFF,
            test_cfg=ConfigDict(panoptic_on=True),
        )
    )

    def upsampled() -> torch.Tensor:
        return F.interpolate(predictions.mask_logits(), size=padded, mode="bilinear", align_corners=False)

    def ours() -> PanopticSegments:
        return panoptic_segments(predictions, 0, geometry, THINGS)

    def theirs(masks: torch.Tensor) -> torch.Tensor:
        return fusion.predict(predictions.class_logits[0], masks, [sample])[0]["pan_results"].sem_seg[0]

    with torch.no_grad():
        masks, found = upsampled(), ours()
        ids = torch.cat([torch.tensor([THINGS + STUFF]), segment_codes(found.labels, THINGS)])
        if len(found) != SURVIVORS or not torch.equal(ids[found.ids], theirs(masks).long()):
            raise UserError(f"ours ({len(found)} segments) and mmdet's map differ: their times cannot be compared")
        alone = alternate(ours, lambda: theirs(masks), args.pairs)
        whole = alternate(ours, lambda: theirs(upsampled()), args.pairs)
    print(
        f"panoptic inference of an image: ours {1e3 * alone['ours']:.0f} ms, mmdet's fusion head "
        f"{1e3 * alone['theirs']:.0f} ms, ratio {1 / alone['ratio']:.3f}; with mmdet's masks made and upsampled "
        f"{1e3 * whole['theirs']:.0f} ms, ratio {1 / whole['ratio']:.3f}",
        flush=True,
    )
    return {
        "fusion_time_ratio": 1 / alone["ratio"],
        "fusion_whole_ratio": 1 / whole["ratio"],
        "fusion_ours_ms": 1e3 * alone["ours"],
        "fusion_mmdet_ms": 1e3 * alone["theirs"],
    }


MEASUREMENTS: dict[str, Callable[[argparse.Namespace], dict[str, float]]] = {
    "pq": measure_quality,
    "segments": measure_segments,
    "files": measure_files,
    "fusion": measure_fusion,
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15, help="alternating pairs a timing, after one warm-up")
    parser.add_argument("--images", type=int, default=8, help="images whose PQ is timed together")
    parser.add_argument("--height", type=int, default=480, help="of the maps in pixels")
    parser.add_argument("--width", type=int, default=640, help="of the maps in pixels")
    parser.add_argument("--only", choices=MEASUREMENTS, help="one measurement alone")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    if min(args.pairs, args.images) < 1 or min(args.height, args.width) < 32:
        parser.error("--pairs and --images must be at least 1, --height and --width at least 32")
    return args


def main() -> None:
    args = parse_args()
    figures: dict[str, float] = {}
    for name, measure in MEASUREMENTS.items():
        if args.only in (None, name):
            figures.update(measure(args))
    if args.json:
        with atomic_open(args.json, "w") as file:
            file.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    with one_line_errors():
        main()
