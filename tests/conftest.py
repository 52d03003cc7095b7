"""Shared fixtures. Reference data lies beside the checkout and is optional: tests say what they skipped for it."""

from pathlib import Path

import pytest

from mmmaskformer import safeguards  # tests may then import mmseg.models before anything else of ours

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """Folder with real images and the reference release's numbers; skips the test where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"reference data not found at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def safeguarded() -> None:
    """Turns on the safeguards, as the tools do."""
    safeguards.install()


@pytest.fixture(scope="session")
def trained_detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``tiny.py``, a detector's config; ``tiny.pth``, its weights; and ``data``, which it has learned."""
    import tiny_panoptic

    folder = tmp_path_factory.mktemp("detector")
    config = tiny_panoptic.write_config(folder / "tiny.py", tiny_panoptic.make_dataset(folder / "data"))
    tiny_panoptic.write_checkpoint(folder / "tiny.pth", config)
    return folder
