"""What docs/ says of configs and files is so."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_on_data_names_every_folder_and_its_variable() -> None:
    page = (ROOT / "docs/data.md").read_text()
    defaults = {
        found
        for config in (ROOT / "configs/_base_/datasets").glob("*.py")
        for found in re.findall(r"\{\{\$(\w+):([\w./-]+)\}\}", config.read_text())
    }
    assert len(defaults) >= 8
    missing = [(name, folder) for name, folder in defaults if f"| `{folder}` | `{name}` |" not in page]
    assert not missing


def test_the_page_on_data_names_converters_that_are_there() -> None:
    named = re.findall(r"(tools/dataset_converters/\w+\.py)", (ROOT / "docs/data.md").read_text())
    assert named and all((ROOT / name).is_file() for name in named)
