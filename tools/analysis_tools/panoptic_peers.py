"""Random panoptic images, and their panoptic quality by us, panopticapi and hotcoco, in memory and from files.

Both peers are installed for the comparison alone: ``pip install --no-deps panopticapi-lite==0.2.0 hotcoco``.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import cv2
import msgspec
import numpy as np
from PIL import Image as PillowImage
from scipy.spatial import cKDTree

from mmmaskformer.coco.annotations import segment_map
from mmmaskformer.coco.panoptic_json import Segment
from mmmaskformer.coco.panoptic_png import id_to_rgb, write_panoptic_png
from mmmaskformer.errors import UserError
from mmmaskformer.evaluation import PanopticCounts, count_matches
from mmmaskformer.evaluation.panoptic_files import count_files

CATEGORIES = {i: {"id": i, "name": str(i), "isthing": int(i <= 80)} for i in range(1, 134)}  # as many as COCO has
CLASS_OF = {category: label for label, category in enumerate(CATEGORIES)}
THINGS = np.array([category["isthing"] for category in CATEGORIES.values()], bool)
USUAL = 15  # segments, a bit more than an image of COCO has
RAGGED = 12.0  # how far the borders of these stray, in pixels

Measure = Callable[[], PanopticCounts]


@dataclass
class Image:
    """True and predicted ids (H, W) int32 with their segments in COCO's format."""

    truth: np.ndarray
    truth_info: list[dict]
    prediction: np.ndarray
    prediction_info: list[dict]


def make_image(height: int, width: int, rng: np.random.Generator, segments: int = USUAL) -> Image:
    """Ragged regions with VOID and a crowd, and a prediction with other borders and some wrong classes."""
    rows, columns = np.mgrid[:height, :width]
    centers = cKDTree(rng.random((segments, 2)) * (height, width))
    ragged = RAGGED * math.sqrt(USUAL / segments)

    def regions() -> np.ndarray:
        # Borders as ragged as the truth of COCO's sample images: about as many changes of segment along the rows.
        noise = (rng.normal(0, ragged, (height // 8, width // 8)) for _ in "yx")
        shift_y, shift_x = (cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC) for field in noise)
        return centers.query(np.stack([rows + shift_y, columns + shift_x], -1))[1]

    truth, prediction = regions(), regions()
    colors = rng.choice(np.arange(1, 256**3), segments, replace=False).astype(np.int32)
    categories = rng.integers(1, len(CATEGORIES) + 1, segments)
    guesses = np.where(rng.random(segments) < 0.8, categories, rng.integers(1, len(CATEGORIES) + 1, segments))
    truth_ids, prediction_ids = colors[truth], prediction.astype(np.int32) + 1
    truth_ids[truth == 0] = prediction_ids[prediction == 1] = 0
    areas = np.bincount(truth.ravel(), minlength=segments)
    truth_info = [
        {"id": int(colors[n]), "category_id": int(categories[n]), "iscrowd": int(n == 2), "area": int(areas[n])}
        for n in np.unique(truth[truth != 0])
    ]
    present = np.unique(prediction[prediction != 1])
    return Image(
        truth_ids, truth_info, prediction_ids, [{"id": int(n) + 1, "category_id": int(guesses[n])} for n in present]
    )


def our_quality(images: Sequence[Image]) -> Measure:
    """From ids and segments to counts of all images."""
    segments = [
        [msgspec.convert(infos, list[Segment]) for infos in (image.prediction_info, image.truth_info)]
        for image in images
    ]

    def run() -> PanopticCounts:
        counts = PanopticCounts.zeros(len(CATEGORIES))
        for image, (predicted, true) in zip(images, segments):
            prediction = segment_map(image.prediction, predicted, CLASS_OF, THINGS, "prediction")
            truth = segment_map(image.truth, true, CLASS_OF, THINGS, "truth")
            counts += count_matches(prediction, truth, len(CATEGORIES))
        return counts

    return run


def panopticapi_quality(images: Sequence[Image]) -> Measure:
    """panopticapi's loop over the same, with what it takes from files and colors handed to it ready."""
    evaluation = _panopticapi()
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
            return _counts(evaluation.pq_compute_single_core(0, pairs, "truth", "prediction", CATEGORIES))

    return run


def write_files(images: Sequence[Image], folder: Path) -> None:
    """Writes the truth as COCO's PNGs are, with Pillow, and predictions as ours are; beside them the JSONs."""
    content: dict[str, list[dict]] = {"truth": [], "prediction": []}
    for number, image in enumerate(images):
        name = f"{number}.png"
        (folder / "truth").mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(id_to_rgb(image.truth)).save(folder / "truth" / name)
        write_panoptic_png(image.prediction, folder / "prediction" / name)
        for side, infos in (("truth", image.truth_info), ("prediction", image.prediction_info)):
            content[side].append({"image_id": number, "file_name": name, "segments_info": infos})
    sizes = [dict(zip(("height", "width"), image.truth.shape)) for image in images]
    listed = [{"id": number, "file_name": f"{number}.jpg", **size} for number, size in enumerate(sizes)]
    for side, entries in content.items():
        text = json.dumps({"images": listed, "categories": list(CATEGORIES.values()), "annotations": entries})
        (folder / f"{side}.json").write_text(text)


def file_measures(folder: Path) -> dict[str, Measure]:
    """What each of us makes of the files in a folder; the peers use one thread."""
    evaluation = _panopticapi()
    try:
        from hotcoco.panoptic import PanopticEval
    except ImportError:
        raise UserError("hotcoco is not installed; for the comparison: pip install --no-deps hotcoco") from None
    jsons = folder / "truth.json", folder / "prediction.json"

    def panopticapi() -> PanopticCounts:
        truth, prediction = (json.loads(path.read_text())["annotations"] for path in jsons)
        with contextlib.redirect_stdout(io.StringIO()):
            folders = str(folder / "truth"), str(folder / "prediction")
            return _counts(evaluation.pq_compute_single_core(0, list(zip(truth, prediction)), *folders, CATEGORIES))

    def hotcoco() -> PanopticCounts:
        found = PanopticEval(*jsons)
        found.evaluate()
        rows = found.results()["per_class"]
        return PanopticCounts(np.array([[rows[c][name] for name in ("iou", "tp", "fp", "fn")] for c in CATEGORIES]))

    return {
        "ours": lambda: count_files(*jsons).counts,
        "ours, one thread": lambda: count_files(*jsons, threads=1).counts,
        "panopticapi": panopticapi,
        "hotcoco": hotcoco,
    }


def _panopticapi():
    try:
        from panopticapi import evaluation
    except ImportError:
        raise UserError(
            "panopticapi is not installed; for the comparison: pip install --no-deps panopticapi-lite==0.2.0"
        ) from None
    return evaluation


def _counts(theirs) -> PanopticCounts:
    of_classes = [theirs[category] for category in CATEGORIES]
    return PanopticCounts(np.array([[c.iou, c.tp, c.fp, c.fn] for c in of_classes]))
