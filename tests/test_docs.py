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


def test_the_pages_name_files_that_are_there() -> None:
    pages = {page: page.read_text() for page in (ROOT / "docs").glob("*.md")}
    named = {
        (page.name, path)
        for page, text in pages.items()
        for path in re.findall(r"(?<![\w/.])(?:tools|tests|configs|docs)/[\w/.-]+\.(?:py|sh|md|yml)", text)
    }
    assert len({page for page, _ in named}) == len(pages)
    assert not [(page, path) for page, path in sorted(named) if not (ROOT / path).is_file()]


def test_the_page_on_installing_pins_what_the_scripts_and_tests_pin() -> None:
    page = (ROOT / "docs/install.md").read_text()
    files = ("pyproject.toml", "tools/setup_venv.sh", "tests/test_mim.py")
    pinned = {pin for name in files for pin in re.findall(r"[\w-]+==[\d.]+\d", (ROOT / name).read_text())}
    packages = {pin.partition("==")[0] for pin in pinned}
    said = {pin for pin in re.findall(r"[\w-]+==[\d.]+\d", page) if pin.partition("==")[0] in packages}
    assert said >= {"openmim==0.3.9", "onedl-mmengine==0.10.12"} and said <= pinned
