"""A data set in COCO's panoptic format of two images of 12x16 pixels, with a crowd, void and ids of all three bytes."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mmmaskformer.coco.panoptic_png import write_panoptic_png

CATEGORIES = [
    {"id": 7, "name": "person", "isthing": 1},
    {"id": 3, "name": "car", "isthing": 1},
    {"id": 92, "name": "sky", "isthing": 0},
]
META = {"classes": ("person", "car", "sky"), "thing_classes": ("person", "car"), "stuff_classes": ("sky",)}
PERSON, OTHER_PERSON, CAR, CROWD, SKY = 70_000, 300, 5, 9_000_000, 16_777_215
SIZE = (12, 16)
KINDS = {PERSON: (7, 0), OTHER_PERSON: (7, 0), CAR: (3, 0), CROWD: (7, 1), SKY: (92, 0)}  # category, "iscrowd"


def scene() -> np.ndarray:
    """(12, 16) segment ids: two persons that touch, a car in two parts, a crowd, sky, and void in the first row."""
    ids = np.full(SIZE, SKY, np.int32)
    ids[0] = 0
    ids[2:8, 1:3], ids[2:8, 3:6] = PERSON, OTHER_PERSON
    ids[9:11, 2:5], ids[9:11, 7:9] = CAR, CAR
    ids[4:6, 10:15] = CROWD
    return ids


def annotation(ids: np.ndarray, image_id: int, kinds: dict[int, tuple[int, int]] = KINDS) -> dict:
    """The json's entry of an image (H, W) of segment ids; ``kinds`` has each segment's category and "iscrowd"."""
    segments = []
    for number, (category, crowd) in kinds.items():
        rows, columns = np.nonzero(ids == number)
        x, y = int(columns.min()), int(rows.min())
        box = [x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1]
        segments.append({"id": number, "category_id": category, "iscrowd": crowd, "bbox": box, "area": len(rows)})
    return {"image_id": image_id, "file_name": f"{image_id}.png", "segments_info": segments}


def write_dataset(folder: Path, change: Callable[[dict], object] = lambda panoptic: None) -> Path:
    """Writes ``panoptic.json``, ``images/`` and ``panoptic/``.

    Args:
        folder: where to.
        change: spoils the json's content before it is written.

    Returns:
        ``folder``.
    """
    (folder / "images").mkdir(parents=True)
    scenes = {3: scene(), 8: scene()[:, ::-1]}
    for number, ids in scenes.items():
        cv2.imwrite(str(folder / "images" / f"{number}.jpg"), np.full((*SIZE, 3), 90, np.uint8))
        write_panoptic_png(ids, folder / "panoptic" / f"{number}.png")
    panoptic = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "height": SIZE[0], "width": SIZE[1]} for n in scenes],
        "categories": [dict(category) for category in CATEGORIES],
        "annotations": [annotation(ids, number) for number, ids in scenes.items()],
    }
    change(panoptic)
    (folder / "panoptic.json").write_text(json.dumps(panoptic))
    return folder
