"""The release's figures and a data set in ADE20K's layout."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def release_parameters(shared_data: Path) -> dict[str, int]:
    """Number of parameters of each of the reference release's models."""
    return json.loads((shared_data / "reference_numbers" / "release_models.json").read_text())["parameters"]


@pytest.fixture
def ade20k_folder(tmp_path: Path) -> Path:
    """Two images a split with labels 0 (void) to 150 in blocks, as in ADEChallengeData2016."""
    rng = np.random.default_rng(0)
    for split in ("training", "validation"):
        for kind in ("images", "annotations"):
            (tmp_path / kind / split).mkdir(parents=True)
        for index in range(2):
            image = rng.integers(0, 256, (80, 100, 3), dtype=np.uint8)
            labels = np.kron(rng.integers(0, 151, (4, 5), dtype=np.uint8), np.ones((20, 20), dtype=np.uint8))
            cv2.imwrite(str(tmp_path / "images" / split / f"{index}.jpg"), image)
            cv2.imwrite(str(tmp_path / "annotations" / split / f"{index}.png"), labels)
    return tmp_path
