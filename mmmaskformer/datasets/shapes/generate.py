"""Shapes on disk: label maps in mmseg's layout and segments in COCO's panoptic format, side by side."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy import ndarray
from PIL import Image

from mmmaskformer.datasets.progress import with_progress
from mmmaskformer.datasets.shapes.scene import Scene, draw_scene
from mmmaskformer.datasets.shapes.vocabulary import VOCABULARIES, Vocabulary
from mmmaskformer.errors import UserError

VERSION = 2
STAMP = "shapes.json"
# Neighboring segments of one class differ visibly, and a scene has at most nine: all fit into the red channel.
SEGMENT_STEP = 23


@dataclass(frozen=True)
class ShapesOptions:
    """What determines every pixel of the data set.

    Attributes:
        train, val: number of images.
        height, width: size of an image in pixels, at least 32.
        seed: start of the random numbers; image i of a split is the same however many there are.
        vocabulary: ``"plain"``, ten classes, or ``"long-tailed"``, 125: a thing's hue and pattern belong to its class,
            and a few classes are seen all the time, most of them hardly ever.
    """

    train: int = 1000
    val: int = 100
    height: int = 128
    width: int = 128
    seed: int = 0
    vocabulary: str = "plain"

    def __post_init__(self) -> None:
        for name, least in (("train", 1), ("val", 1), ("height", 32), ("width", 32), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise UserError(f"Shapes: {name} must be an integer of at least {least}, got {value!r}")
        if self.vocabulary not in VOCABULARIES:
            raise UserError(f"Shapes: vocabulary must be one of {list(VOCABULARIES)}, got {self.vocabulary!r}")

    def stamp(self) -> dict:
        """Content of the file that tells whether a folder is up to date."""
        return {"version": VERSION, **asdict(self)}


def generate_shapes(folder: str | Path, options: ShapesOptions | None = None, show_progress: bool = True) -> bool:
    """Make the data set in ``folder`` unless it is there already, made by this version with these options.

    Processes that start at once wait for the first; a killed run leaves nothing under ``folder``.

    Args:
        folder: where to. A folder made by another version or with other options is replaced.
        options: size, counts and seed.
        show_progress: whether to draw a progress bar with an estimate.

    Returns:
        Whether anything was made.

    Raises:
        UserError: ``folder`` holds something that is not Shapes.
    """
    folder, options = Path(folder), options or ShapesOptions()
    if is_current(folder, options):
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if is_current(folder, options):
            return False
        if folder.is_dir() and any(folder.iterdir()) and not (folder / STAMP).is_file():
            raise UserError(f"{folder} is not empty and has no {STAMP}, so it is not Shapes; give another folder")
        temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        try:
            write_all(temporary, options, show_progress)
            if folder.exists():
                shutil.rmtree(folder)
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return True


def is_current(folder: Path, options: ShapesOptions) -> bool:
    """Whether ``folder`` was made by this version with these options."""
    try:
        return json.loads((folder / STAMP).read_text()) == options.stamp()
    except (OSError, json.JSONDecodeError):
        return False


def write_all(folder: Path, options: ShapesOptions, show_progress: bool) -> None:
    """Write both splits, and the stamp last."""
    shutil.rmtree(folder, ignore_errors=True)
    vocabulary = VOCABULARIES[options.vocabulary]
    for number, (split, count) in enumerate((("train", options.train), ("val", options.val))):
        for kind in ("images", "annotations", "panoptic"):
            (folder / kind / split).mkdir(parents=True)
        images, annotations = [], []
        for i in with_progress(range(count), f"drawing Shapes {split}") if show_progress else range(count):
            rng = np.random.default_rng([options.seed, number, i])
            scene = draw_scene(rng, options.height, options.width, vocabulary)
            name = f"{i:06d}.png"
            annotations.append(write_scene(folder, split, name, i, scene, vocabulary))
            images.append({"id": i, "file_name": name, "height": options.height, "width": options.width})
        panoptic = {"info": options.stamp(), "images": images, "annotations": annotations}
        panoptic["categories"] = categories(vocabulary)
        (folder / f"panoptic_{split}.json").write_text(json.dumps(panoptic))
    (folder / STAMP).write_text(json.dumps(options.stamp()))


def write_scene(folder: Path, split: str, name: str, image_id: int, scene: Scene, vocabulary: Vocabulary) -> dict:
    """Write one picture with both ground truths.

    Returns:
        Its entry among the ``annotations`` of the panoptic json.
    """
    ids = {number: segment_id(number, vocabulary.palette[label]) for number, label in scene.labels.items()}
    id_map = np.zeros(max(ids) + 1, dtype=np.uint32)
    id_map[list(ids)] = list(ids.values())
    colors = id_map[scene.segments][..., None] >> np.array([0, 8, 16], dtype=np.uint32) & 255
    Image.fromarray(scene.image).save(folder / "images" / split / name)
    Image.fromarray(scene.semantic).save(folder / "annotations" / split / name)
    Image.fromarray(colors.astype(np.uint8)).save(folder / "panoptic" / split / name)
    segments = [
        {"id": ids[number], "category_id": label + 1, "iscrowd": 0, **extent(scene.segments == number)}
        for number, label in scene.labels.items()
    ]
    return {"image_id": image_id, "file_name": name, "segments_info": segments}


def segment_id(number: int, color: Sequence[int]) -> int:
    """COCO's id R + 256 G + 65536 B: the number in red keeps ids apart, the class's color makes the file readable."""
    return SEGMENT_STEP * number + 256 * color[1] + 65536 * color[2]


def extent(mask: ndarray) -> dict:
    """Area in pixels and box (x, y, width, height) of an (H, W) mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
    return {"area": int(mask.sum()), "bbox": [int(value) for value in box]}


def categories(vocabulary: Vocabulary) -> list[dict]:
    """COCO's category list; ids are the semantic labels plus one."""
    return [
        {
            "id": label + 1,
            "name": name,
            "supercategory": "thing" if name in vocabulary.looks else "stuff",
            "isthing": int(name in vocabulary.looks),
            "color": vocabulary.palette[label],
        }
        for label, name in enumerate(vocabulary.classes)
    ]
