"""Panoptic truth and predictions, small and full of what is hard to count, and what panopticapi makes of them."""

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.structures import BaseDataElement, PixelData

from mmmaskformer.coco.panoptic_png import write_panoptic_png
from mmmaskformer.evaluation import PanopticQualityMetric

# Ids neither in order nor without gaps, as in COCO, so that nobody takes them for classes.
CATEGORIES = [
    {"id": 7, "name": "person", "isthing": 1},
    {"id": 3, "name": "car", "isthing": 1},
    {"id": 92, "name": "sky", "isthing": 0},
    {"id": 11, "name": "grass", "isthing": 0},
]
CATEGORY_IDS = [category["id"] for category in CATEGORIES]
CLASS_OF = {category: label for label, category in enumerate(CATEGORY_IDS)}
THINGS = np.array([category["isthing"] == 1 for category in CATEGORIES])
META = {
    "classes": ("person", "car", "sky", "grass"),
    "thing_classes": ("person", "car"),
    "stuff_classes": ("sky", "grass"),
}
CELL = 4


@dataclass
class Scene:
    """One image's maps (H, W) of ids with their segments in COCO's format."""

    truth: np.ndarray
    truth_info: list[dict]
    prediction: np.ndarray
    prediction_info: list[dict]


def make_scene(choose: Callable[[int], int]) -> Scene:
    """Blocks of segments with VOID and crowds between them, and a prediction that gets some of it wrong.

    Args:
        choose: gives a number 0..n-1 for n; a test's random source.
    """
    cells = np.array([[choose(6) for _ in range(2 + choose(3))]])
    cells = np.concatenate([cells, *([[choose(6) for _ in cells[0]]] for _ in range(1 + choose(3)))])
    numbers = cells.repeat(CELL, 0).repeat(CELL, 1)  # 0 is VOID
    category_of = {0: 0, **{int(n): CATEGORY_IDS[choose(4)] for n in np.unique(cells) if n}}

    # Ids that use all three bytes, and fall where the numbers rise.
    truth = np.where(numbers, 16_000_000 - numbers * 1_234_567, 0).astype(np.int32)
    truth_info, crowds = [], set()
    for n in filter(None, category_of):
        crowd = choose(4) == 0 and category_of[n] not in crowds  # panopticapi knows one crowd of a category
        crowds |= {category_of[n]} if crowd else set()
        truth_info.append(
            {
                "id": 16_000_000 - n * 1_234_567,
                "category_id": category_of[n],
                "iscrowd": int(crowd),
                "area": int((numbers == n).sum()),
            }
        )

    predicted, height, width = numbers.copy(), *numbers.shape
    for new in range(10, 11 + choose(5)):
        old = predicted[choose(height), choose(width)]
        top, left = choose(height), choose(width)
        window = (slice(top, top + 1 + choose(height)), slice(left, left + 1 + choose(width)))
        edit = choose(5)
        if edit == 0:  # part of a segment becomes one of its own, of the same class
            predicted[:, left:][predicted[:, left:] == old] = new
            category_of[new] = category_of[old] or CATEGORY_IDS[choose(4)]
        elif edit == 1:  # two segments become one
            predicted[predicted == old] = predicted[top, left]
        elif edit == 2:
            predicted[window] = 0
        elif edit == 3:
            predicted[window], category_of[new] = new, CATEGORY_IDS[choose(4)]
        elif old:
            category_of[old] = CATEGORY_IDS[choose(4)]
    present = [int(n) for n in np.unique(predicted) if n]
    return Scene(truth, truth_info, predicted, [{"id": n, "category_id": category_of[n]} for n in present])


def random_scene(seed: int) -> Scene:
    """The scene of a seed."""
    generator = np.random.default_rng(seed)
    return make_scene(lambda n: int(generator.integers(n)))


def crowded_scene(side: int, seed: int) -> Scene:
    """``side`` x ``side`` segments in 480 x 640 pixels with VOID and crowds, and a prediction that is a pixel off."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:480, :640]
    cells = rows * side // 480 * side + columns * side // 640
    categories = rng.choice(CATEGORY_IDS, side**2)
    guesses = np.where(rng.random(side**2) < 0.8, categories, rng.choice(CATEGORY_IDS, side**2))
    crowds = {
        int(np.flatnonzero(categories == category)[-1]) for category in CATEGORY_IDS
    }  # panopticapi knows one each
    colors = rng.choice(np.arange(1, 256**3), side**2, replace=False)
    truth, predicted = np.where(cells % 97, cells, -1), np.roll(np.where(cells % 89, cells, -1), 1, 1)
    areas = np.bincount(truth[truth >= 0])
    return Scene(
        np.append(colors, 0)[truth].astype(np.int32),
        [
            {
                "id": int(colors[n]),
                "category_id": int(categories[n]),
                "iscrowd": int(n in crowds),
                "area": int(areas[n]),
            }
            for n in np.flatnonzero(areas).tolist()
        ],
        (predicted + 1).astype(np.int32),
        [{"id": n + 1, "category_id": int(guesses[n])} for n in np.unique(predicted[predicted >= 0]).tolist()],
    )


def write_truth(folder: Path, scenes: Sequence[Scene]) -> Path:
    """Writes ``truth.json`` and ``truth/`` in COCO's format, images numbered from 100, and returns the JSON's path."""
    images, annotations = [], []
    for number, scene in enumerate(scenes, 100):
        height, width = scene.truth.shape
        images.append({"id": number, "file_name": f"{number}.jpg", "height": height, "width": width})
        annotations.append({"image_id": number, "file_name": f"{number}.png", "segments_info": scene.truth_info})
        write_panoptic_png(scene.truth, folder / "truth" / f"{number}.png")
    path = folder / "truth.json"
    path.write_text(json.dumps({"images": images, "categories": CATEGORIES, "annotations": annotations}))
    return path


def write_predictions(folder: Path, scenes: Sequence[Scene]) -> Path:
    """Writes ``panoptic.json`` and ``panoptic/``, the predictions for what :func:`write_truth` writes."""
    annotations = []
    for number, scene in enumerate(scenes, 100):
        name = f"{number}.png"
        annotations.append({"image_id": number, "file_name": name, "segments_info": scene.prediction_info})
        write_panoptic_png(scene.prediction, folder / "panoptic" / name)
    path = folder / "panoptic.json"
    path.write_text(json.dumps({"annotations": annotations}))
    return path


def encode(pixels: np.ndarray, segments_info: Sequence[dict], class_of: dict[int, int]) -> torch.Tensor:
    """A map of ids (H, W) as mmdet's panoptic heads give it: (1, H, W), class + 1000 x instance, VOID = K."""
    encoded = np.full(pixels.shape, len(class_of), np.int64)
    for instance, segment in enumerate(segments_info, 1):
        encoded[pixels == segment["id"]] = class_of[segment["category_id"]] + 1000 * instance
    return torch.from_numpy(encoded)[None]


def sample_of(scene: Scene, image_id: int) -> BaseDataElement:
    """What a detector returns for the scene."""
    segmentation = PixelData(sem_seg=encode(scene.prediction, scene.prediction_info, CLASS_OF))
    meta = {"img_id": image_id, "img_path": f"images/{image_id}.jpg"}
    return BaseDataElement(metainfo=meta, pred_panoptic_seg=segmentation)


def panopticapi_counts(folder: Path, pairs: Sequence[tuple[dict, dict]], categories: Sequence[dict]):
    """panopticapi's statistics of pairs of annotations, whose PNGs lie in ``folder/truth`` and ``folder/panoptic``."""
    from panopticapi.evaluation import pq_compute_single_core

    by_id = {category["id"]: category for category in categories}
    with contextlib.redirect_stdout(io.StringIO()):  # it reports on every call
        return pq_compute_single_core(0, pairs, str(folder / "truth"), str(folder / "panoptic"), by_id)


def panopticapi_counts_of_scene(folder: Path, scene: Scene):
    """panopticapi's statistics of one scene, through files."""
    write_panoptic_png(scene.truth, folder / "truth" / "0.png")
    write_panoptic_png(scene.prediction, folder / "panoptic" / "0.png")
    truth = {"image_id": 0, "file_name": "0.png", "segments_info": scene.truth_info}
    # panopticapi writes areas into the prediction's segments.
    prediction = {"file_name": "0.png", "segments_info": [dict(info) for info in scene.prediction_info]}
    return panopticapi_counts(folder, [(truth, prediction)], CATEGORIES)


def evaluate_share(folder: str, seeds: list[int], out_dir: str) -> dict[str, float]:
    """Evaluates this rank's share of scenes, which the sampler of test runs deals out and pads."""
    from mmengine.dataset import DefaultSampler

    metric = PanopticQualityMetric(ann_file=f"{folder}/truth.json", out_dir=out_dir, collect_dir=f"{folder}/collect")
    metric.dataset_meta = META
    shares = list(DefaultSampler(seeds, shuffle=False))
    for place in shares:
        metric.process({}, [sample_of(random_scene(seeds[place]), 100 + place).to_dict()])
    numbers = metric.evaluate(len(seeds))
    return {**numbers, "rank": get_rank(), "images": len(shares)}
