"""The models of the paper's release, under the names of this package's configs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mmmaskformer.errors import suggest

TABLE = Path(__file__).with_name("released.json")
LICENSE = json.loads(TABLE.read_text(encoding="utf-8"))["license"]


@dataclass(frozen=True)
class ReleasedModel:
    """One published model.

    Attributes:
        name: of the config that has its architecture, data set and test pipeline.
        url: where the release publishes the weights.
        metrics: what the release reports: mIoU, mIoU(ms+flip) or PQ, in percent.
    """

    name: str
    url: str
    metrics: Mapping[str, float]

    @property
    def file(self) -> str:
        """Name of the published file, ``model_final_d8dbeb.pkl``."""
        return self.url.rpartition("/")[2]

    @property
    def md5_prefix(self) -> str:
        """First six hex digits of the file's md5, which the release puts into its name."""
        return self.file.removesuffix(".pkl").rpartition("_")[2]

    @property
    def task(self) -> str:
        """``"semantic"`` or ``"panoptic"``."""
        return "panoptic" if "PQ" in self.metrics else "semantic"


@cache
def released_models() -> dict[str, ReleasedModel]:
    """All published models by name."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))["models"]
    return {entry["name"]: ReleasedModel(**entry) for entry in table}


def nearest(name: str) -> str:
    """Return published models with a similar name, as half a sentence to append; empty if there is none.

    Those that have all parts of the name come before those with similar letters.
    """
    parts = set(re.split("[_-]", name))
    longer = [known for known in released_models() if parts <= set(re.split("[_-]", known))]
    return suggest(name, longer) or suggest(name, released_models())
