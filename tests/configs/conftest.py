"""The release's figures."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def release_parameters(shared_data: Path) -> dict[str, int]:
    """Number of parameters of each of the reference release's models."""
    return json.loads((shared_data / "reference_numbers" / "release_models.json").read_text())["parameters"]
