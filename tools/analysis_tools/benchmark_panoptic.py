"""Our panoptic quality against panopticapi's, and our panoptic inference against mmdet's fusion head, alternating.

Prints the medians and their ratios; ``--json FILE`` also writes them.

``pq_speedup``: panopticapi's time over ours (larger is better), in one process, on the same maps of 640x480 in memory;
neither side reads files or decodes colors. panopticapi is installed for the comparison alone:
``pip install --no-deps panopticapi-lite==0.2.0``.

``fusion_time_ratio``: our time over that of mmdet's fusion head (smaller is better), from 100 queries to the panoptic
map of an 800x1333 image with 40 segments. Ours starts at the factors of the masks; the fusion head is given masks that
are made and upsampled already. ``fusion_whole_ratio`` counts that on mmdet's side too.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from unittest.mock import patch

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.registry import MODELS

from mmmaskformer.core.panoptic import PanopticSegments, panoptic_segments
from mmmaskformer.core.tiles import OutputGeometry
from mmmaskformer.det.head import panoptic_ids
from mmmaskformer.errors import UserError, one_line_errors
from mmmaskformer.evaluation import PanopticCounts, PanopticMap, count_matches
from mmmaskformer.files import atomic_open
from mmmaskformer.structures import MaskPredictions

CATEGORIES = {i: {"id": i, "isthing": int(i <= 80)} for i in range(1, 134)}  # as many as COCO has
CLASS_OF = {category: label for label, category in enumerate(CATEGORIES)}
SEGMENTS = 15  # a bit more than an image of COCO has
RAGGED = 12.0  # how far borders stray, in pixels
IMAGE, QUERIES, SURVIVORS = (800, 1333), 100, 40
THINGS, STUFF = 80, 53


@dataclass
class Image:
    """True and predicted ids (H, W) int32 with their segments in COCO's format."""

    truth: np.ndarray
    truth_info: list[dict]
    prediction: np.ndarray
    prediction_info: list[dict]


def make_image(height: int, width: int, rng: np.random.Generator) -> Image:
    """Ragged regions with VOID and a crowd, and a prediction with other borders and some wrong classes."""
    rows, columns = np.mgrid[:height, :width]
    centers = rng.random((SEGMENTS, 2)) * (height, width)

    def regions() -> np.ndarray:
        # Borders as ragged as the truth of COCO's sample images: about as many changes of segment along the rows.
        noise = (rng.normal(0, RAGGED, (height // 8, width // 8)) for _ in "yx")
        shift_y, shift_x = (cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC) for field in noise)
        return np.argmin([np.hypot(rows + shift_y - y, columns + shift_x - x) for y, x in centers], 0)

    truth, prediction = regions(), regions()
    colors = rng.choice(np.arange(1, 256**3), SEGMENTS, replace=False).astype(np.int32)
    categories = rng.integers(1, len(CATEGORIES) + 1, SEGMENTS)
    guesses = np.where(rng.random(SEGMENTS) < 0.8, categories, rng.integers(1, len(CATEGORIES) + 1, SEGMENTS))
    truth_ids, prediction_ids = colors[truth], prediction.astype(np.int32) + 1
    truth_ids[truth == 0] = prediction_ids[prediction == 1] = 0
    truth_info = [
        {
            "id": int(colors[n]),
            "category_id": int(categories[n]),
            "iscrowd": int(n == 2),
            "area": int((truth == n).sum()),
        }
        for n in np.unique(truth[truth != 0])
    ]
    present = np.unique(prediction[prediction != 1])
    return Image(
        truth_ids, truth_info, prediction_ids, [{"id": int(n) + 1, "category_id": int(guesses[n])} for n in present]
    )


def our_quality(images: list[Image]) -> Callable[[], PanopticCounts]:
    """From ids and segments to counts of all images."""

    def run() -> PanopticCounts:
        counts = PanopticCounts.zeros(len(CATEGORIES))
        for image in images:
            prediction = PanopticMap.from_segments_info(image.prediction, image.prediction_info, CLASS_OF, "prediction")
            truth = PanopticMap.from_segments_info(image.truth, image.truth_info, CLASS_OF, "truth")
            counts += count_matches(prediction, truth, len(CATEGORIES))
        return counts

    return run


def panopticapi_quality(images: list[Image]) -> Callable[[], PanopticCounts]:
    """panopticapi's loop over the same, with what it takes from files and colors handed to it ready."""
    try:
        from panopticapi import evaluation
    except ImportError:
        raise UserError(
            "panopticapi is not installed; for the comparison: pip install --no-deps panopticapi-lite==0.2.0"
        ) from None
    maps = {f"{side}/{n}": getattr(image, side) for n, image in enumerate(images) for side in ("truth", "prediction")}
    pairs = [
        (
            {"image_id": n, "file_name": str(n), "segments_info": image.truth_info},
            {"image_id": n, "file_name": str(n), "segments_info": image.prediction_info},
        )
        for n, image in enumerate(images)
    ]

    def run() -> PanopticCounts:
        with (
            patch.object(evaluation.Image, "open", maps.__getitem__),
            patch.object(evaluation, "rgb2id", lambda ids: ids),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            theirs = evaluation.pq_compute_single_core(0, pairs, "truth", "prediction", CATEGORIES)
        of_classes = [theirs[category] for category in CATEGORIES]
        return PanopticCounts(np.array([[c.iou, c.tp, c.fp, c.fn] for c in of_classes]))

    return run


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
    if not np.allclose(ours().values, theirs().values, rtol=0, atol=1e-12):
        raise UserError("ours and panopticapi count differently: their times cannot be compared")
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
        ids = torch.cat([panoptic_ids(found, THINGS), torch.tensor([THINGS + STUFF])])
        if len(found) != SURVIVORS or not torch.equal(ids[found.index_map], theirs(masks).long()):
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
