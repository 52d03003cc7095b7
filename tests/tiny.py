"""A data set and a model so small that a tool's whole run takes seconds."""

from pathlib import Path

import cv2
import numpy as np

CLASSES = ("left", "right", "square")
SIZE = 64
CONFIGS = Path(__file__).with_name("configs_small")
CONFIG = """_base_ = {base!r}
dataset = dict(data_root={data!r}, metainfo=dict(classes={classes!r}))
train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = val_dataloader
"""


def make_dataset(root: Path, images: int = 4) -> Path:
    """Writes pictures of a dark left half, a bright right half and a green square, with their label maps."""
    rng = np.random.default_rng(0)
    for folder in ("images", "annotations"):
        (root / folder).mkdir(parents=True)
    for index in range(images):
        image = np.full((SIZE, SIZE, 3), 60, np.uint8)
        labels = np.zeros((SIZE, SIZE), np.uint8)
        image[:, SIZE // 2 :], labels[:, SIZE // 2 :] = 200, 1
        y, x = rng.integers(0, SIZE - 20, 2)
        image[y : y + 20, x : x + 20], labels[y : y + 20, x : x + 20] = (0, 255, 0), 2
        cv2.imwrite(str(root / "images" / f"{index}.png"), image)
        cv2.imwrite(str(root / "annotations" / f"{index}.png"), labels)
    return root


def write_config(path: Path, data: Path, classes: tuple[str, ...] = CLASSES, base: str = "fcn.py") -> Path:
    """Writes a config that trains a small model, by default an FCN, on the data set of :func:`make_dataset`."""
    path.write_text(CONFIG.format(base=str(CONFIGS / base), data=str(data), classes=classes))
    return path
